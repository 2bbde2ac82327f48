-- Reads the message with an id, if the rest of the filter matches it.
-- Parameters: :message_id, :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until,
--             :q (part of the text, folded; '' for any)
-- Rows: one or none: message_id, from_msisdn, to_msisdn, ts, text
-- Index: the UNIQUE one on message_id
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE message_id = :message_id
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until
    AND (:q = '' OR instr(ifnull(folded_text, text), :q) > 0);

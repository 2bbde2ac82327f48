-- Reads the message with an id, if the rest of the filter matches it.
-- Parameters: :message_id, :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until, :q (part
--             of the folded text, or '')
-- Rows: one or none: message_id, from_msisdn, to_msisdn, ts, text
-- Index: the primary key of messages
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE message_id = :message_id
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0);

-- Counts, in one chunk of all messages, those with a text that is too short for the index of texts.
-- Parameters: :after_seq < seq <= :last_seq, :q (part of the text, folded),
--             :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until
-- Rows: one: message_count
-- Index: the primary key of messages
-- Scan: a row costs a twentieth of what it costs to fetch it by its place in an index
SELECT count(*) AS message_count
FROM messages
WHERE seq > :after_seq
    AND seq <= :last_seq
    AND instr(ifnull(folded_text, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

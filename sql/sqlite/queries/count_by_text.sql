-- Counts, in one chunk of all messages, those with a text. A text with all parts is read again.
-- Parameters: :after_seq < seq <= :last_seq, :q (part of the text, folded),
--             :match (the parts of :q: '"abc" AND "bcd"'),
--             :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until
-- Rows: one: message_count
-- Index: texts; the primary key of messages
WITH candidates AS (
    SELECT rowid AS seq
    FROM texts
    WHERE texts MATCH :match AND rowid > :after_seq AND rowid <= :last_seq
    UNION ALL
    SELECT seq FROM unindexed_messages WHERE seq > :after_seq AND seq <= :last_seq
)
SELECT count(*) AS message_count
FROM candidates JOIN messages USING (seq)
WHERE instr(ifnull(folded_text, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

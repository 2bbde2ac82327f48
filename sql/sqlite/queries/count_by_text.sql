-- How many messages have a text, found by its parts of three characters and looked at again.
--
-- Parameters: :match        the parts of :q for by_text: '"abc" AND "bcd"'
--             :q            part of the text, folded, of 3 characters or more
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :after_seq, :last_seq   a piece of all messages: after_seq < seq <= last_seq
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       one: message_count
-- Index:      by_text; the primary key of messages for the tail and the texts
WITH found AS (
    SELECT rowid AS seq
    FROM by_text
    WHERE by_text MATCH :match AND rowid > :after_seq AND rowid <= min(:last_seq, :indexed_seq)
    UNION ALL
    SELECT seq FROM messages WHERE seq > max(:after_seq, :indexed_seq) AND seq <= :last_seq
)
SELECT count(*) AS message_count
FROM found JOIN messages USING (seq)
WHERE instr(ifnull(text_folded, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

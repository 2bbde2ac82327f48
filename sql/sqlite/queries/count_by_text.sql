-- How many messages have a text, found by its parts of three characters and looked at again.
--
-- Parameters: :match        the parts of :q for by_text: '"abc" AND "bcd"'
--             :q            part of the text, folded, of 3 characters or more
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       one: message_count
-- Index:      by_text; the primary key of messages for the tail and the texts
SELECT (
    SELECT count(*)
    FROM by_text JOIN messages ON messages.seq = by_text.rowid
    WHERE by_text MATCH :match
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
        AND instr(ifnull(messages.text_folded, text), :q) > 0
) + (
    SELECT count(*)
    FROM messages
    WHERE seq > :indexed_seq
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
        AND instr(ifnull(text_folded, text), :q) > 0
) AS message_count;

-- How many messages have a text that is too short for by_text: all are read, in the order they
-- lie in, piece by piece.
--
-- Parameters: :q            part of the text, folded
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :after_seq, :last_seq   a piece of all messages: after_seq < seq <= last_seq
-- Rows:       one: message_count
-- Index:      the primary key of messages
-- Scan:       one message after the other is read some 20 times as fast as each by its place in an
--             index; so that is what it takes where most would have to be looked at
SELECT count(*) AS message_count
FROM messages
WHERE seq > :after_seq
    AND seq <= :last_seq
    AND instr(ifnull(text_folded, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

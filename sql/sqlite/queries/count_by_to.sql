-- How many messages one recipient has in a range, from one sender, or with a text, one by one.
--
-- Parameters: :to_msisdn
--             :from_msisdn  NULL for any
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :q            part of the text, folded; '' for any
--             :copied_seq   how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of by_to; the primary key of messages for the texts
WITH tail AS (
    SELECT seq, message_id, from_msisdn, to_msisdn, ts FROM tail_copy
    UNION ALL
    SELECT seq, message_id, from_msisdn, to_msisdn, ts FROM messages WHERE seq > :copied_seq
)
SELECT (
    SELECT count(*)
    FROM by_to AS indexed_message
    WHERE to_msisdn = :to_msisdn
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND ts >= :since
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = indexed_message.seq
                    AND instr(ifnull(text_folded, text), :q) > 0
            )
        )
) + (
    SELECT count(*)
    FROM tail
    WHERE to_msisdn = :to_msisdn
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND ts >= :since
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = tail.seq
                    AND instr(ifnull(text_folded, text), :q) > 0
            )
        )
) AS message_count;

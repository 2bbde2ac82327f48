-- The totals of all messages: the kept counts, and the tail.
--
-- Parameters: :copied_seq  how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count, sender_count, first_ts, last_ts (NULL while there are no messages)
-- Index:      the primary key of totals, which has one row; that of senders for the senders of the
--             tail; that of messages for the tail
WITH tail AS NOT MATERIALIZED (
    SELECT from_msisdn, ts FROM tail_copy
    UNION ALL
    SELECT from_msisdn, ts FROM messages WHERE seq > :copied_seq
)
SELECT
    message_count + (SELECT count(*) FROM tail) AS message_count,
    sender_count + (
        SELECT count(DISTINCT from_msisdn) FROM tail
        WHERE NOT EXISTS (SELECT 1 FROM senders WHERE senders.from_msisdn = tail.from_msisdn)
    ) AS sender_count,
    (SELECT min(ts) FROM (SELECT first_ts AS ts UNION ALL SELECT min(ts) FROM tail)) AS first_ts,
    (SELECT max(ts) FROM (SELECT last_ts AS ts UNION ALL SELECT max(ts) FROM tail)) AS last_ts
FROM totals
WHERE id = 1;

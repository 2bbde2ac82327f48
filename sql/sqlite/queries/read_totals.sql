-- The totals of all messages: the kept counts, and the tail.
--
-- Parameters: :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       one: message_count, sender_count, first_ts, last_ts (NULL while there are no messages)
-- Index:      the primary key of totals, which has one row; that of senders for the senders of the
--             tail; the primary key of messages for the tail
WITH tail AS (
    SELECT from_msisdn, ts FROM messages WHERE seq > :indexed_seq
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

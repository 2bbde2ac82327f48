-- The totals of all messages: the kept counts, and the batches that they lack.
--
-- Parameters: none
-- Rows:       one: message_count, sender_count, first_ts, last_ts (NULL while there are no messages)
-- Index:      the primary key of totals, which has one row; that of senders for the senders of the
--             batches
-- Differs:    SQLite's tail begins at a place; here it is the batches in uncounted
SELECT
    message_count + coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM uncounted), 0)
        AS message_count,
    sender_count + (
        SELECT count(DISTINCT tail.from_msisdn)
        FROM uncounted, unnest(from_msisdns) AS tail (from_msisdn)
        WHERE NOT EXISTS (SELECT 1 FROM senders WHERE senders.from_msisdn = tail.from_msisdn)
    ) AS sender_count,
    least(first_ts, (SELECT min(first_ts) FROM uncounted)) AS first_ts,
    greatest(last_ts, (SELECT max(last_ts) FROM uncounted)) AS last_ts
FROM totals
WHERE id = 1;

-- Reads how many messages there are: the kept count and the pending batches.
-- Rows: one: message_count
-- Index: the primary key of totals
SELECT
    message_count + coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM pending_counts), 0)
        AS message_count
FROM totals
WHERE id = 1;

-- How many messages there are in all: the kept count, and the batches that it lacks.
--
-- Parameters: none
-- Rows:       one: message_count
-- Index:      the primary key of totals, which has one row
-- Differs:    SQLite's tail begins at a place; here it is the batches in uncounted
SELECT
    message_count + coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM uncounted), 0)
        AS message_count
FROM totals
WHERE id = 1;

-- How many messages one recipient has in all: the kept count, and the batches that it lacks.
--
-- Parameters: :to_msisdn
-- Rows:       one: message_count
-- Index:      the primary key of recipients
-- Differs:    SQLite's tail begins at a place; here it is the batches in uncounted
SELECT
    coalesce((SELECT message_count FROM recipients WHERE to_msisdn = :to_msisdn), 0)
    + (
        SELECT count(*)
        FROM uncounted, unnest(to_msisdns) AS tail (to_msisdn)
        WHERE tail.to_msisdn = :to_msisdn
    ) AS message_count;

-- How many messages one sender has in all: the kept count, and the batches that it lacks.
--
-- Parameters: :from_msisdn
-- Rows:       one: message_count
-- Index:      the primary key of senders
-- Differs:    SQLite's tail begins at a place; here it is the batches in uncounted
SELECT
    coalesce((SELECT message_count FROM senders WHERE from_msisdn = :from_msisdn), 0)
    + (
        SELECT count(*)
        FROM uncounted, unnest(from_msisdns) AS tail (from_msisdn)
        WHERE tail.from_msisdn = :from_msisdn
    ) AS message_count;

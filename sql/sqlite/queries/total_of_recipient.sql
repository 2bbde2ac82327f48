-- How many messages one recipient has in all: the kept count, and the tail.
--
-- Parameters: :to_msisdn
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of recipients; the primary key of messages for the tail
SELECT
    ifnull((SELECT message_count FROM recipients WHERE to_msisdn = :to_msisdn), 0)
    + (SELECT count(*) FROM messages WHERE seq > :indexed_seq AND to_msisdn = :to_msisdn)
    AS message_count;

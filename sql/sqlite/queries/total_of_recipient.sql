-- How many messages one recipient has in all: the kept count, and the tail.
--
-- Parameters: :to_msisdn
--             :copied_seq   how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of recipients
WITH tail AS (
    SELECT to_msisdn FROM tail_copy
    UNION ALL
    SELECT to_msisdn FROM messages WHERE seq > :copied_seq
)
SELECT
    ifnull((SELECT message_count FROM recipients WHERE to_msisdn = :to_msisdn), 0)
    + (SELECT count(*) FROM tail WHERE to_msisdn = :to_msisdn)
    AS message_count;

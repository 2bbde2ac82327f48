-- How many messages one sender has in all: the kept count, and the tail.
--
-- Parameters: :from_msisdn
--             :copied_seq   how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of senders
WITH tail AS (
    SELECT from_msisdn FROM tail_copy
    UNION ALL
    SELECT from_msisdn FROM messages WHERE seq > :copied_seq
)
SELECT
    ifnull((SELECT message_count FROM senders WHERE from_msisdn = :from_msisdn), 0)
    + (SELECT count(*) FROM tail WHERE from_msisdn = :from_msisdn)
    AS message_count;

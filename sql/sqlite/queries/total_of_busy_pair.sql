-- How many messages one sender sent to one recipient in all: the kept count, and the tail.
--
-- Parameters: :from_msisdn, :to_msisdn
--             :copied_seq   how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count; NULL where one of the two is not busy, so that none is kept, and the
--             messages of that one are soon counted
-- Index:      the primary keys of busy_senders, busy_recipients and busy_pairs
WITH tail AS (
    SELECT from_msisdn, to_msisdn FROM tail_copy
    UNION ALL
    SELECT from_msisdn, to_msisdn FROM messages WHERE seq > :copied_seq
)
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM busy_senders WHERE from_msisdn = :from_msisdn)
        AND EXISTS (SELECT 1 FROM busy_recipients WHERE to_msisdn = :to_msisdn)
    THEN
        ifnull(
            (
                SELECT message_count
                FROM busy_pairs
                WHERE from_msisdn = :from_msisdn AND to_msisdn = :to_msisdn
            ),
            0
        )
        + (SELECT count(*) FROM tail WHERE from_msisdn = :from_msisdn AND to_msisdn = :to_msisdn)
END AS message_count;

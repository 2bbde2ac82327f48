-- The ten senders with most messages: of those without a message in the tail the ten first, and all
-- of those with one.
--
-- Parameters: :copied_seq  how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       from_msisdn, message_count; by count, most first, then by number
-- Index:      senders_by_message_count, in its order; the primary key of senders for the senders of
--             the tail
WITH tail AS MATERIALIZED (
    SELECT from_msisdn, count(*) AS message_count
    FROM (
        SELECT from_msisdn FROM tail_copy
        UNION ALL
        SELECT from_msisdn FROM messages WHERE seq > :copied_seq
    )
    GROUP BY from_msisdn
),
top AS (
    SELECT from_msisdn, message_count
    FROM senders
    WHERE from_msisdn NOT IN (SELECT from_msisdn FROM tail)
    ORDER BY message_count DESC, from_msisdn
    LIMIT 10
)
SELECT from_msisdn, message_count FROM top
UNION ALL
SELECT
    tail.from_msisdn,
    tail.message_count + ifnull(senders.message_count, 0)
FROM tail LEFT JOIN senders USING (from_msisdn)
ORDER BY message_count DESC, from_msisdn
LIMIT 10;

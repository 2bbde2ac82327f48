-- The ten senders with most messages: of those without an uncounted message the ten first, and all of
-- those with one.
--
-- Parameters: none
-- Rows:       from_msisdn, message_count; by count, most first, then by number
-- Index:      senders_by_message_count, in its order; the primary key of senders for those with an
--             uncounted message
-- Differs:    SQLite's tail begins at a place; here it is the batches in uncounted
WITH tail AS MATERIALIZED (
    SELECT one.from_msisdn COLLATE "C" AS from_msisdn, count(*) AS message_count
    FROM uncounted, unnest(from_msisdns) AS one (from_msisdn)
    GROUP BY one.from_msisdn COLLATE "C"
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
    tail.message_count + coalesce(senders.message_count, 0) AS message_count
FROM tail LEFT JOIN senders USING (from_msisdn)
ORDER BY message_count DESC, from_msisdn
LIMIT 10;

-- The ten senders with most messages. Senders of unindexed messages are counted apart.
-- Rows: from_msisdn, message_count; by count, most first, then by number
-- Index: senders_by_message_count, in its order; the primary key of senders
WITH unindexed AS MATERIALIZED (
    SELECT from_msisdn, count(*) AS message_count
    FROM unindexed_messages
    GROUP BY from_msisdn
),
top AS (
    SELECT from_msisdn, message_count
    FROM senders
    WHERE from_msisdn NOT IN (SELECT from_msisdn FROM unindexed)
    ORDER BY message_count DESC, from_msisdn
    LIMIT 10
)
SELECT from_msisdn, message_count FROM top
UNION ALL
SELECT
    unindexed.from_msisdn,
    unindexed.message_count + ifnull(senders.message_count, 0)
FROM unindexed LEFT JOIN senders USING (from_msisdn)
ORDER BY message_count DESC, from_msisdn
LIMIT 10;

-- Reads the totals of all messages and the ten senders with most of them: counts and pending
-- batches.
-- Rows: message_count, sender_count, first_ts, last_ts (NULL without messages), from_msisdn,
--       sent_count (NULL without messages); a row for each sender, by sent_count, most first
-- Index: the primary keys of totals and senders; senders_by_message_count, in its order
-- Differs: SQLite reads the senders by top_senders; here that would be another round trip
WITH pending AS MATERIALIZED (
    SELECT one.from_msisdn COLLATE "C" AS from_msisdn, count(*) AS sent_count
    FROM pending_counts, unnest(from_msisdns) AS one (from_msisdn)
    GROUP BY one.from_msisdn COLLATE "C"
),
pending_senders AS MATERIALIZED (
    SELECT
        pending.from_msisdn,
        pending.sent_count + coalesce(senders.message_count, 0) AS sent_count,
        senders.from_msisdn IS NULL AS is_new
    FROM pending LEFT JOIN senders USING (from_msisdn)
),
other_senders AS (
    SELECT from_msisdn, message_count AS sent_count
    FROM senders
    WHERE from_msisdn NOT IN (SELECT from_msisdn FROM pending)
    ORDER BY message_count DESC, from_msisdn
    LIMIT 10
),
top_senders AS (
    SELECT from_msisdn, sent_count FROM other_senders
    UNION ALL
    SELECT from_msisdn, sent_count FROM pending_senders
    ORDER BY sent_count DESC, from_msisdn
    LIMIT 10
)
SELECT
    message_count + coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM pending_counts), 0)
        AS message_count,
    sender_count + (SELECT count(*) FROM pending_senders WHERE is_new) AS sender_count,
    least(first_ts, (SELECT min(first_ts) FROM pending_counts)) AS first_ts,
    greatest(last_ts, (SELECT max(last_ts) FROM pending_counts)) AS last_ts,
    from_msisdn,
    sent_count
FROM totals LEFT JOIN top_senders ON TRUE
WHERE totals.id = 1
ORDER BY sent_count DESC, from_msisdn;

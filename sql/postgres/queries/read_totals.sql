-- The totals of all messages, and the ten senders with most of them: the kept counts, and the batches
-- that they lack. Of the senders without an uncounted message it looks at the ten first, and at all of
-- those with one.
--
-- Parameters: none
-- Rows:       message_count, sender_count, first_ts, last_ts (NULL while there are no messages),
--             from_msisdn, sent_count (NULL while there are none); a row a sender, by sent_count, most
--             first, then by number
-- Index:      the primary key of totals, which has one row; senders_by_message_count, in its order; the
--             primary key of senders for those with an uncounted message
-- Differs:    SQLite asks for the senders on their own (top_senders): no way to a server and back, and
--             its tail begins at a place; here it is the batches in uncounted
WITH tail AS MATERIALIZED (
    SELECT one.from_msisdn COLLATE "C" AS from_msisdn, count(*) AS sent_count
    FROM uncounted, unnest(from_msisdns) AS one (from_msisdn)
    GROUP BY one.from_msisdn COLLATE "C"
),
tail_senders AS MATERIALIZED (
    SELECT
        tail.from_msisdn,
        tail.sent_count + coalesce(senders.message_count, 0) AS sent_count,
        senders.from_msisdn IS NULL AS is_new
    FROM tail LEFT JOIN senders USING (from_msisdn)
),
top AS (
    SELECT from_msisdn, message_count AS sent_count
    FROM senders
    WHERE from_msisdn NOT IN (SELECT from_msisdn FROM tail)
    ORDER BY message_count DESC, from_msisdn
    LIMIT 10
),
top_senders AS (
    SELECT from_msisdn, sent_count FROM top
    UNION ALL
    SELECT from_msisdn, sent_count FROM tail_senders
    ORDER BY sent_count DESC, from_msisdn
    LIMIT 10
)
SELECT
    message_count + coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM uncounted), 0)
        AS message_count,
    sender_count + (SELECT count(*) FROM tail_senders WHERE is_new) AS sender_count,
    least(first_ts, (SELECT min(first_ts) FROM uncounted)) AS first_ts,
    greatest(last_ts, (SELECT max(last_ts) FROM uncounted)) AS last_ts,
    from_msisdn,
    sent_count
FROM totals LEFT JOIN top_senders ON TRUE
WHERE totals.id = 1
ORDER BY sent_count DESC, from_msisdn;

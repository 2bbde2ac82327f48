-- The totals of all messages: the kept counts and the unindexed messages, which are read once.
-- Rows: one: message_count, sender_count, first_ts, last_ts (NULL if there are no messages)
-- Index: the primary keys of senders and messages
SELECT
    totals.message_count + unindexed.message_count AS message_count,
    totals.sender_count + unindexed.new_sender_count AS sender_count,
    min(
        ifnull(totals.first_ts, unindexed.first_ts), ifnull(unindexed.first_ts, totals.first_ts)
    ) AS first_ts,
    max(
        ifnull(totals.last_ts, unindexed.last_ts), ifnull(unindexed.last_ts, totals.last_ts)
    ) AS last_ts
FROM totals -- one row
CROSS JOIN (
    SELECT
        count(*) AS message_count,
        count(DISTINCT from_msisdn) FILTER (
            WHERE NOT EXISTS (
                SELECT 1 FROM senders WHERE senders.from_msisdn = unindexed_messages.from_msisdn
            )
        ) AS new_sender_count,
        min(ts) AS first_ts,
        max(ts) AS last_ts
    FROM unindexed_messages
) AS unindexed;

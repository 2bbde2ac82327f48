-- Adds some pending batches to the counts and deletes them from pending_counts. One statement does
-- both, so no reader sees a batch twice or not at all. The transaction must hold the lock of
-- lock_totals: a sender is new only while no other instance adds senders.
-- Parameters: :limit  how many batches
-- Rows: one, or none when no batch is pending: message_count (of the batches), batch_count
-- Index: the primary keys of pending_counts, senders, recipients and totals
WITH batches AS (
    DELETE FROM pending_counts
    WHERE batch_id IN (SELECT batch_id FROM pending_counts LIMIT CAST(:limit AS BIGINT))
    RETURNING message_count, first_ts, last_ts, from_msisdns, to_msisdns
),
batch_senders AS (
    SELECT one.from_msisdn COLLATE "C" AS from_msisdn, count(*) AS message_count
    FROM batches, unnest(from_msisdns) AS one (from_msisdn)
    GROUP BY one.from_msisdn COLLATE "C"
),
counted_senders AS (
    INSERT INTO senders (from_msisdn, message_count)
    SELECT from_msisdn, message_count FROM batch_senders
    ON CONFLICT (from_msisdn)
    DO UPDATE SET message_count = senders.message_count + excluded.message_count
),
counted_recipients AS (
    INSERT INTO recipients (to_msisdn, message_count)
    SELECT one.to_msisdn COLLATE "C", count(*)
    FROM batches, unnest(to_msisdns) AS one (to_msisdn)
    GROUP BY one.to_msisdn COLLATE "C"
    ON CONFLICT (to_msisdn)
    DO UPDATE SET message_count = recipients.message_count + excluded.message_count
),
sums AS (
    SELECT
        CAST(sum(message_count) AS BIGINT) AS message_count,
        count(*) AS batch_count,
        min(first_ts) AS first_ts,
        max(last_ts) AS last_ts,
        (
            SELECT count(*)
            FROM batch_senders LEFT JOIN senders USING (from_msisdn)
            WHERE senders.from_msisdn IS NULL
        ) AS sender_count
    FROM batches
    HAVING count(*) > 0
)
UPDATE totals
SET
    message_count = totals.message_count + sums.message_count,
    sender_count = totals.sender_count + sums.sender_count,
    first_ts = least(totals.first_ts, sums.first_ts),
    last_ts = greatest(totals.last_ts, sums.last_ts)
FROM sums
WHERE totals.id = 1
RETURNING sums.message_count, sums.batch_count;

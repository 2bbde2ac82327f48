-- Adds some batches to the counts, and takes them from what the counts lack: in one statement, so that
-- no reader sees them twice, or not at all. The transaction holds the lock of lock_totals: which
-- senders are new can be told only while nobody else adds some.
--
-- Parameters: :limit  how many batches
-- Rows:       one, or none where no batch was left: message_count (of the batches), batch_count
-- Index:      the primary keys of uncounted, senders, recipients and totals
WITH taken AS (
    DELETE FROM uncounted
    WHERE batch_id IN (SELECT batch_id FROM uncounted LIMIT CAST(:limit AS BIGINT))
    RETURNING message_count, first_ts, last_ts, from_msisdns, to_msisdns
),
taken_senders AS (
    SELECT one.from_msisdn COLLATE "C" AS from_msisdn, count(*) AS message_count
    FROM taken, unnest(from_msisdns) AS one (from_msisdn)
    GROUP BY one.from_msisdn COLLATE "C"
),
counted_senders AS (
    INSERT INTO senders (from_msisdn, message_count)
    SELECT from_msisdn, message_count FROM taken_senders
    ON CONFLICT (from_msisdn)
    DO UPDATE SET message_count = senders.message_count + excluded.message_count
),
counted_recipients AS (
    INSERT INTO recipients (to_msisdn, message_count)
    SELECT one.to_msisdn COLLATE "C", count(*)
    FROM taken, unnest(to_msisdns) AS one (to_msisdn)
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
            FROM taken_senders LEFT JOIN senders USING (from_msisdn)
            WHERE senders.from_msisdn IS NULL
        ) AS sender_count
    FROM taken
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

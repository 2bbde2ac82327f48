-- Reads how many messages one recipient has: the kept count and the pending batches.
-- Parameters: :to_msisdn
-- Rows: one: message_count
-- Index: the primary key of recipients
SELECT
    coalesce((SELECT message_count FROM recipients WHERE to_msisdn = :to_msisdn), 0)
    + (
        SELECT count(*)
        FROM pending_counts, unnest(to_msisdns) AS pending (to_msisdn)
        WHERE pending.to_msisdn = :to_msisdn
    ) AS message_count;

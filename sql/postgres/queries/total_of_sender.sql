-- Reads how many messages one sender has: the kept count and the pending batches.
-- Parameters: :from_msisdn
-- Rows: one: message_count
-- Index: the primary key of senders
SELECT
    coalesce((SELECT message_count FROM senders WHERE from_msisdn = :from_msisdn), 0)
    + (
        SELECT count(*)
        FROM pending_counts, unnest(from_msisdns) AS pending (from_msisdn)
        WHERE pending.from_msisdn = :from_msisdn
    ) AS message_count;

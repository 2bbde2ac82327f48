-- Stores a batch of messages, each message_id once: one statement, one transaction, one flush.
-- Parameters: :message_ids, :from_msisdns, :to_msisdns, :instants, :texts, :folded_texts (arrays
--             with an element for each message, without a repeated id)
-- Rows: one: synchronous_commit, fsync (the settings that make the commit durable; they can change
--       while the service runs), message_ids (of those that were stored before)
-- Index: the primary key of messages
-- Differs: SQLite has no arrays, and counts the stored messages
WITH sent AS (
    SELECT * FROM unnest(
        CAST(:message_ids AS TEXT[]),
        CAST(:from_msisdns AS TEXT[]),
        CAST(:to_msisdns AS TEXT[]),
        CAST(:instants AS TIMESTAMPTZ[]),
        CAST(:texts AS TEXT[]),
        CAST(:folded_texts AS TEXT[])
    ) AS message (message_id, from_msisdn, to_msisdn, ts, text, folded_text)
),
created AS (
    INSERT INTO messages
        (message_id, from_msisdn, to_msisdn, ts, text, folded_text, created_at)
    SELECT message_id, from_msisdn, to_msisdn, ts, text, folded_text, now()
    FROM sent
    -- Batches with common ids insert them in the same order, or they would deadlock.
    ORDER BY message_id COLLATE "C"
    ON CONFLICT (message_id) DO NOTHING
    RETURNING message_id, from_msisdn, to_msisdn, ts
),
pending_for_counts AS (
    INSERT INTO pending_counts
        (batch_id, message_count, first_ts, last_ts, from_msisdns, to_msisdns)
    SELECT
        gen_random_uuid(),
        count(*),
        min(ts),
        max(ts),
        array_agg(from_msisdn),
        array_agg(to_msisdn)
    FROM created
    HAVING count(*) > 0
),
pending_for_texts AS (
    -- Also without an index of texts: another instance may be making it.
    INSERT INTO pending_texts (batch_id, message_count, message_ids)
    SELECT gen_random_uuid(), count(*), array_agg(message_id)
    FROM created
    HAVING count(*) > 0
)
SELECT
    current_setting('synchronous_commit', true) AS synchronous_commit,
    current_setting('fsync', true) AS fsync,
    ARRAY(
        SELECT message_id
        FROM sent
        WHERE message_id NOT IN (SELECT message_id FROM created)
    ) AS message_ids;

-- Stores a batch of messages, each message_id once: one statement, one transaction, one flush.
--
-- Parameters: :message_ids, :from_msisdns, :to_msisdns, :instants, :texts, :texts_folded
--                             arrays with an element a message (schemas.Message), no id twice
-- Rows:       one: synchronous_commit, fsync (what decided whether the commit is on stable storage, as in
--             read_connection.sql), message_ids (of those that were there before)
-- Index:      the primary key of messages
-- Differs:    SQLite has no arrays, and says how many were stored and not which
--
-- In the order of ids: two batches that have two of them in common, in opposite orders, would each
-- wait for the other. What another batch is just storing is waited for, and then was there before.
-- The settings are read with each batch: somebody may change them while the service runs. A batch is
-- noted for the index of texts also where there is none: another instance may be making it just now.
WITH sent AS (
    SELECT * FROM unnest(
        CAST(:message_ids AS TEXT[]),
        CAST(:from_msisdns AS TEXT[]),
        CAST(:to_msisdns AS TEXT[]),
        CAST(:instants AS TIMESTAMPTZ[]),
        CAST(:texts AS TEXT[]),
        CAST(:texts_folded AS TEXT[])
    ) AS message (message_id, from_msisdn, to_msisdn, ts, text, text_folded)
),
created AS (
    INSERT INTO messages
        (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
    SELECT message_id, from_msisdn, to_msisdn, ts, text, text_folded, now()
    FROM sent
    ORDER BY message_id COLLATE "C"
    ON CONFLICT (message_id) DO NOTHING
    RETURNING message_id, from_msisdn, to_msisdn, ts
),
noted_for_counts AS (
    INSERT INTO uncounted
        (batch_id, message_count, first_ts, last_ts, from_msisdns, to_msisdns)
    SELECT gen_random_uuid(), count(*), min(ts), max(ts), array_agg(from_msisdn), array_agg(to_msisdn)
    FROM created
    HAVING count(*) > 0
),
noted_for_search AS (
    INSERT INTO unsearched (batch_id, message_count, message_ids)
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

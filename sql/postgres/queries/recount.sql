-- Counts all messages again, the pending batches included. It is one statement, so all its parts
-- see the same messages and batches. The transaction must hold the lock of wait_for_totals, and
-- must have run clear_counts: CockroachDB lets a statement change a table only once. ON CONFLICT is
-- for `just sql`, which runs each query alone.
-- Rows: one: message_count
-- Index: the primary keys of senders, recipients and totals; messages_by_ts
-- Scan: all messages
WITH pending AS (
    DELETE FROM pending_counts
),
sent AS MATERIALIZED (
    SELECT from_msisdn, count(*) AS message_count FROM messages GROUP BY from_msisdn
),
counted_senders AS (
    INSERT INTO senders (from_msisdn, message_count)
    SELECT from_msisdn, message_count FROM sent
    ON CONFLICT (from_msisdn) DO UPDATE SET message_count = excluded.message_count
),
counted_recipients AS (
    INSERT INTO recipients (to_msisdn, message_count)
    SELECT to_msisdn, count(*) FROM messages GROUP BY to_msisdn
    ON CONFLICT (to_msisdn) DO UPDATE SET message_count = excluded.message_count
)
UPDATE totals
SET
    message_count = coalesce((SELECT CAST(sum(message_count) AS BIGINT) FROM sent), 0),
    sender_count = (SELECT count(*) FROM sent),
    first_ts = (SELECT min(ts) FROM messages),
    last_ts = (SELECT max(ts) FROM messages)
WHERE id = 1
RETURNING message_count;

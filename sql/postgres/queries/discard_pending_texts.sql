-- Deletes all pending texts of a database that has no index of texts. The transaction must hold the
-- lock of lock_totals, as search.sql does: what is stored while the index is made stays pending.
-- Rows: one: has_texts (whether search.sql has run here; nothing is deleted then), message_count,
--       batch_count (0 when none was pending)
WITH discarded AS (
    DELETE FROM pending_texts
    WHERE to_regclass('texts') IS NULL
    RETURNING message_count
)
SELECT
    to_regclass('texts') IS NOT NULL AS has_texts,
    coalesce(CAST(sum(message_count) AS BIGINT), 0) AS message_count,
    count(*) AS batch_count
FROM discarded;

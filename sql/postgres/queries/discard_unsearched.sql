-- Takes the notes of texts away where there is no index of texts. The transaction holds the lock of
-- lock_totals, as does whoever makes the index (search.sql): so what is stored while it is being made
-- keeps its note.
--
-- Parameters: none
-- Rows:       one: has_texts (whether search.sql has been run here: nothing is taken away then),
--             message_count, batch_count (0 where none was left)
-- Index:      none: all of unsearched is wanted
WITH discarded AS (
    DELETE FROM unsearched
    WHERE to_regclass('texts') IS NULL
    RETURNING message_count
)
SELECT
    to_regclass('texts') IS NOT NULL AS has_texts,
    coalesce(CAST(sum(message_count) AS BIGINT), 0) AS message_count,
    count(*) AS batch_count
FROM discarded;

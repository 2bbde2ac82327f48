-- Takes the texts of some batches into the index, and the batches from what it lacks. Others may do
-- the same at the same time: each takes its own.
--
-- Parameters: :limit  how many batches
-- Rows:       one: message_count (of the batches; 0 where none was left), batch_count
-- Index:      the primary keys of unsearched, messages and texts
WITH taken AS (
    DELETE FROM unsearched
    WHERE batch_id IN (
        SELECT batch_id FROM unsearched LIMIT CAST(:limit AS BIGINT) FOR UPDATE SKIP LOCKED
    )
    RETURNING message_count, message_ids
),
indexed AS (
    INSERT INTO texts (message_id, text_folded)
    SELECT message_id, coalesce(text_folded, text)
    FROM taken, unnest(message_ids) AS one (message_id) JOIN messages USING (message_id)
    WHERE text IS NOT NULL
    ON CONFLICT (message_id) DO NOTHING
)
SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) AS message_count, count(*) AS batch_count
FROM taken;

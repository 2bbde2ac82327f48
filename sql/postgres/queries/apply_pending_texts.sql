-- Copies the texts of some pending batches into texts and deletes them from pending_texts.
-- Instances may run this at the same time: each locks its own batches.
-- Parameters: :limit  how many batches
-- Rows: one: message_count (of the batches; 0 when none is pending), batch_count
-- Index: the primary keys of pending_texts, messages and texts
WITH batches AS (
    DELETE FROM pending_texts
    WHERE batch_id IN (
        SELECT batch_id FROM pending_texts LIMIT CAST(:limit AS BIGINT) FOR UPDATE SKIP LOCKED
    )
    RETURNING message_count, message_ids
),
batch_messages AS (
    -- A message that was erased and sent again may be pending twice. ON CONFLICT DO UPDATE fails
    -- when one statement has a row twice.
    SELECT DISTINCT one.message_id
    FROM batches, unnest(message_ids) AS one (message_id)
),
indexed AS (
    INSERT INTO texts (message_id, folded_text)
    SELECT message_id, coalesce(folded_text, text)
    FROM batch_messages JOIN messages USING (message_id)
    WHERE text IS NOT NULL
    ON CONFLICT (message_id) DO UPDATE SET folded_text = excluded.folded_text
)
SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) AS message_count, count(*) AS batch_count
FROM batches;

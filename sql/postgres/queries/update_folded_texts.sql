-- Replaces the folded texts of some messages, and makes them pending for the table texts.
-- Parameters: :message_ids, :folded_texts (arrays with an element for each message)
-- Rows: none
-- Index: the primary key of messages
-- Differs: SQLite has no arrays
WITH changed AS (
    UPDATE messages
    SET folded_text = folded.text
    FROM unnest(CAST(:message_ids AS TEXT[]), CAST(:folded_texts AS TEXT[]))
        AS folded (message_id, text)
    WHERE messages.message_id = folded.message_id
    RETURNING messages.message_id
)
INSERT INTO pending_texts (batch_id, message_count, message_ids)
SELECT gen_random_uuid(), count(*), array_agg(message_id)
FROM changed
HAVING count(*) > 0;

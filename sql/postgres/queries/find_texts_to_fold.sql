-- Reads the next messages in the order of GET /messages, with the texts that fold() may change:
-- those that are not ASCII. It reads all messages, so that its time has a limit.
-- Parameters: :after_ts, :after_message_id (the place before them), :limit
-- Rows: message_id, ts, text (NULL if it is ASCII), folded_text; ordered by (ts, message_id)
-- Index: messages_by_ts
-- Differs: SQLite has seq
SELECT
    message_id,
    ts,
    CASE WHEN text ~ '[^[:ascii:]]' THEN text END AS text, -- in SQL_ASCII a byte is a character
    folded_text
FROM messages
WHERE (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT);

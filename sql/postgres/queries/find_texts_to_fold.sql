-- Reads the next messages in the order of GET /messages, with the texts that fold() decides about:
-- those that are not ASCII, and those that others have changed since they were folded. It gives all
-- messages, so that its time has a limit.
-- Parameters: :after_ts, :after_message_id (the place before them), :limit
-- Rows: message_id, ts, is_due (or NULL), text (NULL if it is not due), folded_text; ordered by
--       (ts, message_id)
-- Index: messages_by_ts
-- Differs: SQLite has seq
SELECT message_id, ts, is_due, CASE WHEN is_due THEN text END AS text, folded_text
FROM (
    SELECT
        message_id,
        ts,
        text,
        folded_text,
        -- octet_length would not do: in SQL_ASCII a byte is a character.
        text ~ '[^[:ascii:]]'
        OR folded_text IS DISTINCT FROM nullif(lower(text COLLATE "C"), text) AS is_due
    FROM messages
    WHERE (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
    ORDER BY ts, message_id
    LIMIT CAST(:limit AS BIGINT)
) AS chunk
ORDER BY ts, message_id;

-- Counts the messages with a text, up to a limit, when no index serves the text.
-- Parameters: :q (part of the folded text), :limit
-- Rows: one: message_count
-- Scan: it ends at :limit, and reads all messages only when few have the text
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM messages
    WHERE strpos(coalesce(folded_text, text), :q) > 0
    LIMIT CAST(:limit AS BIGINT)
) AS found;

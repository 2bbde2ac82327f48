-- Whether few messages have a text that no index serves: how many, counted no further than :limit.
--
-- Parameters: :q            part of the text, folded
--             :limit
-- Rows:       one: message_count
-- Index:      none
-- Scan:       until :limit are found, and so to the end only where few have it
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM messages
    WHERE strpos(coalesce(text_folded, text), :q) > 0
    LIMIT CAST(:limit AS BIGINT)
) AS found;

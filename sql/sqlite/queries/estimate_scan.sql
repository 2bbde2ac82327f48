-- Whether few messages have a text that is too short for by_text: how many, counted no further than
-- :limit.
--
-- Parameters: :q            part of the text, folded
--             :limit
-- Rows:       one: message_count
-- Index:      none
-- Scan:       until :limit are found, and so to the end only where few have it
SELECT count(*) AS message_count
FROM (SELECT 1 FROM messages WHERE instr(ifnull(text_folded, text), :q) > 0 LIMIT :limit);

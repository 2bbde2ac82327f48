-- Whether few messages have a text: how many have all its parts, counted no further than :limit.
--
-- Parameters: :match  the parts of the text for by_text: '"abc" AND "bcd"'
--             :limit
-- Rows:       one: message_count
-- Index:      by_text
SELECT count(*) AS message_count
FROM (SELECT 1 FROM by_text WHERE by_text MATCH :match LIMIT :limit);

-- Counts the texts that have all parts of a search, up to :limit.
-- Parameters: :match (the parts: '"abc" AND "bcd"'), :limit
-- Rows: one: message_count
-- Index: texts
SELECT count(*) AS message_count
FROM (SELECT 1 FROM texts WHERE texts MATCH :match LIMIT :limit);

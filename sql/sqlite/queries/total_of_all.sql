-- How many messages there are.
-- Rows: one: message_count
-- Index: the primary keys of totals and messages
SELECT message_count + (SELECT count(*) FROM unindexed_messages) AS message_count
FROM totals
WHERE id = 1;

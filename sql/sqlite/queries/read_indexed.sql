-- The last message in the index. Every read begins with it: the index's snapshot is the older one.
-- Rows: one: seq, message_id, digest (of index.sql and FOLDING)
-- Index: the primary key of indexed
SELECT seq, message_id, digest
FROM indexed
WHERE id = 1;

-- How far the index is.
--
-- Parameters: none
-- Rows:       one, or none in a new index: seq, message_id, digest
-- Index:      the primary key of indexed, which has one row
SELECT seq, message_id, digest
FROM indexed
WHERE id = 1;

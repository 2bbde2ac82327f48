-- Notes that the index is as far as the slice, in the transaction that brings it there; unless
-- another process has brought it further since the slice was filled: then nothing changes.
--
-- Parameters: :after_seq  how far the index was
-- Rows:       none
-- Index:      the primary key of indexed, which has one row
UPDATE indexed
SET seq = last.seq, message_id = last.message_id
FROM (SELECT seq, message_id FROM slice ORDER BY seq DESC LIMIT 1) AS last
WHERE indexed.id = 1 AND indexed.seq = :after_seq;

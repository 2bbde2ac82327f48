-- Moves the end of the index to that of the batch, unless another process has moved it.
-- Parameters: :after_seq (the position when the batch was filled)
UPDATE indexed
SET seq = last.seq, message_id = last.message_id
FROM (SELECT seq, message_id FROM batch ORDER BY seq DESC LIMIT 1) AS last
WHERE indexed.id = 1 AND indexed.seq = :after_seq;

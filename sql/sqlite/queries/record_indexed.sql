-- Notes how far the index is, in the transaction that brought it there.
--
-- Parameters: :seq, :message_id of the last message, :digest of index.sql
-- Rows:       none
-- Index:      the primary key of indexed, which has one row
INSERT INTO indexed (id, seq, message_id, digest) VALUES (1, :seq, :message_id, :digest)
ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, message_id = excluded.message_id;

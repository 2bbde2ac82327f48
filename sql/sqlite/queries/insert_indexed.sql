-- Notes, in a new index, that it has no message yet.
--
-- Parameters: :digest of index.sql
-- Rows:       none
INSERT INTO indexed (id, seq, message_id, digest) VALUES (1, 0, '', :digest);

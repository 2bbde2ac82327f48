-- Records that a new index has no message yet.
-- Parameters: :digest (of index.sql)
INSERT INTO indexed (id, seq, message_id, digest) VALUES (1, 0, '', :digest);

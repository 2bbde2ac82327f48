-- Names the batches that counts and texts lack after what they wait for, and each index after its
-- table. The comments are shown by \d+ in psql.

ALTER TABLE uncounted RENAME TO pending_counts;
ALTER INDEX uncounted_pkey RENAME TO pending_counts_pkey;

ALTER TABLE unsearched RENAME TO pending_texts;
ALTER INDEX unsearched_pkey RENAME TO pending_texts_pkey;

ALTER INDEX by_ts RENAME TO messages_by_ts;
ALTER INDEX by_from RENAME TO messages_by_from;
ALTER INDEX by_to RENAME TO messages_by_to;

-- Only a server with pg_trgm has this one: search.sql made it.
ALTER INDEX IF EXISTS by_text RENAME TO texts_by_trigram;

COMMENT ON TABLE migrations IS
'The migrations that this database has had. Row 0 is no migration: its row lock lets one instance
migrate at a time.';

COMMENT ON TABLE messages IS
'Every message, stored once. COLLATE "C" compares bytes, as SQLite does, so pages have the same
order on every database. text_folded is the text without case, for searches; NULL where it equals
the text. created_at is the server''s clock when the batch began.';

COMMENT ON INDEX messages_by_ts IS
'The order of GET /messages.';

COMMENT ON INDEX messages_by_from IS
'The messages of a sender, in order. INCLUDE lets a read find the messages between two numbers in
the index alone.';

COMMENT ON INDEX messages_by_to IS
'The messages of a recipient, in order. INCLUDE serves the same purpose as in messages_by_from.';

COMMENT ON TABLE senders IS
'How many messages each sender has, without the batches in pending_counts.';

COMMENT ON INDEX senders_by_message_count IS
'The senders with most messages, for GET /stats.';

COMMENT ON TABLE recipients IS
'How many messages each recipient has, without the batches in pending_counts.';

COMMENT ON TABLE totals IS
'One row: the counts of all messages, without the batches in pending_counts. Its row lock lets one
instance at a time add to the counts.';

COMMENT ON TABLE pending_counts IS
'One row a batch, written with its messages, until the batch is added to the counts. If each batch
updated the counts itself, batches with a common sender would wait for each other. The arrays have
an element for each message.';

COMMENT ON TABLE pending_texts IS
'One row a batch, written with its messages, until its texts are in the table texts.';

COMMENT ON TABLE probe IS
'One row, rewritten by the readiness probe to prove that the database takes writes.';

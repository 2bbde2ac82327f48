-- The sum of the migrations and of search.sql, as PostgreSQL spells it. `just sql` writes this
-- file, and the service never reads it. To change the database, add a file to migrations/.

CREATE TABLE migrations (
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (number)
);

COMMENT ON TABLE migrations IS
'The migrations that this database has had. Row 0 is no migration: its row lock lets one instance
migrate at a time.';

CREATE TABLE messages (
    message_id TEXT COLLATE "C" NOT NULL,
    from_msisdn TEXT COLLATE "C" NOT NULL,
    to_msisdn TEXT COLLATE "C" NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    text TEXT,
    text_folded TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (message_id)
);

COMMENT ON TABLE messages IS
'Every message, stored once. COLLATE "C" compares bytes, as SQLite does, so pages have the same
order on every database. text_folded is the text without case, for searches; NULL where it equals
the text. created_at is the server''s clock when the batch began.';

CREATE INDEX messages_by_ts ON messages USING btree (ts, message_id);

COMMENT ON INDEX messages_by_ts IS
'The order of GET /messages.';

CREATE INDEX messages_by_from ON messages USING btree (from_msisdn, ts, message_id) INCLUDE (to_msisdn);

COMMENT ON INDEX messages_by_from IS
'The messages of a sender, in order. INCLUDE lets a read find the messages between two numbers in
the index alone.';

CREATE INDEX messages_by_to ON messages USING btree (to_msisdn, ts, message_id) INCLUDE (from_msisdn);

COMMENT ON INDEX messages_by_to IS
'The messages of a recipient, in order. INCLUDE serves the same purpose as in messages_by_from.';

CREATE TABLE senders (
    from_msisdn TEXT COLLATE "C" NOT NULL,
    message_count BIGINT NOT NULL,
    PRIMARY KEY (from_msisdn)
);

COMMENT ON TABLE senders IS
'How many messages each sender has, without the batches in pending_counts.';

CREATE INDEX senders_by_message_count ON senders USING btree (message_count DESC, from_msisdn);

COMMENT ON INDEX senders_by_message_count IS
'The senders with most messages, for GET /stats.';

CREATE TABLE recipients (
    to_msisdn TEXT COLLATE "C" NOT NULL,
    message_count BIGINT NOT NULL,
    PRIMARY KEY (to_msisdn)
);

COMMENT ON TABLE recipients IS
'How many messages each recipient has, without the batches in pending_counts.';

CREATE TABLE totals (
    id INTEGER NOT NULL,
    message_count BIGINT NOT NULL,
    sender_count BIGINT NOT NULL,
    first_ts TIMESTAMP WITH TIME ZONE,
    last_ts TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

COMMENT ON TABLE totals IS
'One row: the counts of all messages, without the batches in pending_counts. Its row lock lets one
instance at a time add to the counts.';

INSERT INTO totals (id, message_count, sender_count) VALUES (1, 0, 0);

CREATE TABLE pending_counts (
    batch_id UUID NOT NULL,
    message_count BIGINT NOT NULL,
    first_ts TIMESTAMP WITH TIME ZONE NOT NULL,
    last_ts TIMESTAMP WITH TIME ZONE NOT NULL,
    from_msisdns TEXT[] NOT NULL,
    to_msisdns TEXT[] NOT NULL,
    PRIMARY KEY (batch_id)
);

COMMENT ON TABLE pending_counts IS
'One row a batch, written with its messages, until the batch is added to the counts. If each batch
updated the counts itself, batches with a common sender would wait for each other. The arrays have
an element for each message.';

CREATE TABLE pending_texts (
    batch_id UUID NOT NULL,
    message_count BIGINT NOT NULL,
    message_ids TEXT[] NOT NULL,
    PRIMARY KEY (batch_id)
);

COMMENT ON TABLE pending_texts IS
'One row a batch, written with its messages, until its texts are in the table texts.';

CREATE TABLE probe (
    id INTEGER NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

COMMENT ON TABLE probe IS
'One row, rewritten by the readiness probe to prove that the database takes writes.';

CREATE EXTENSION pg_trgm;

CREATE TABLE texts (
    message_id TEXT COLLATE "C" NOT NULL,
    text_folded TEXT NOT NULL,
    PRIMARY KEY (message_id)
);

COMMENT ON TABLE texts IS
'The folded text of every message that has one, without the batches in pending_texts. To index a
text costs several times what it costs to store its message, so no webhook waits for it.';

CREATE INDEX texts_by_trigram ON texts USING gin (text_folded gin_trgm_ops);

COMMENT ON INDEX texts_by_trigram IS
'The parts of three characters of each text.';

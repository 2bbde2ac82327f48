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
    folded_text TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (message_id)
);

COMMENT ON TABLE messages IS
'Every message, stored once. COLLATE "C" compares bytes, as SQLite does, so pages have the same
order on every database. folded_text is the text as searches compare it; NULL where that is the text
itself. created_at is the server''s clock when the batch began.';

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

CREATE TABLE events (
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C",
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    headers TEXT NOT NULL,
    content_type TEXT,
    problem TEXT,
    body BYTEA NOT NULL,
    PRIMARY KEY (source, event_id)
);

COMMENT ON TABLE events IS
'Every request of another sender, stored once. headers is a JSON object. problem is NULL where all is
well.';

CREATE INDEX events_by_source ON events USING btree (source, received_at, event_id);

COMMENT ON INDEX events_by_source IS
'The order of GET /events in each source. Events arrive in this order.';

CREATE INDEX events_by_type ON events USING btree (source, type, received_at, event_id) WHERE (type IS NOT NULL);

COMMENT ON INDEX events_by_type IS
'The events of one type of a source, in order.';

CREATE INDEX events_by_problem ON events USING btree (source, received_at, event_id) INCLUDE (type) WHERE (problem IS NOT NULL);

COMMENT ON INDEX events_by_problem IS
'The events that have a problem, in order.';

CREATE TABLE event_messages (
    message_id TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (message_id, source, event_id)
);

COMMENT ON TABLE event_messages IS
'Which event brought a message. Not every message has one, and an event may bring many.';

CREATE INDEX event_messages_by_event ON event_messages USING btree (source, event_id);

COMMENT ON INDEX event_messages_by_event IS
'The messages of an event.';

CREATE TABLE sources (
    source TEXT COLLATE "C" NOT NULL,
    part INTEGER NOT NULL,
    event_count BIGINT NOT NULL,
    problem_count BIGINT NOT NULL,
    PRIMARY KEY (source, part)
);

COMMENT ON TABLE sources IS
'Every source that ever had an event. The sum over its parts is how many it has. A batch adds to the
part of its connection, so that batches do not wait for each other.';

CREATE TABLE folding (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

COMMENT ON TABLE folding IS
'One row: the version of fold() (service/messages/text.py) that all texts have been through.';

INSERT INTO folding (id, version) VALUES (1, 1);

CREATE EXTENSION pg_trgm;

CREATE TABLE texts (
    message_id TEXT COLLATE "C" NOT NULL,
    folded_text TEXT NOT NULL,
    PRIMARY KEY (message_id)
);

COMMENT ON TABLE texts IS
'The folded text of every message that has one, without the batches in pending_texts. To index a
text costs several times what it costs to store its message, so no webhook waits for it.';

CREATE INDEX texts_by_trigram ON texts USING gin (folded_text gin_trgm_ops);

COMMENT ON INDEX texts_by_trigram IS
'The parts of three characters of each text.';

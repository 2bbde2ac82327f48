-- What the migrations and, where the server has pg_trgm, search.sql add up to, as PostgreSQL spells
-- it. `just sql` writes this file, and the service never reads it: to change the database, add a
-- file to migrations/.

-- The list of migrations that this database has had; made before the first of them runs.
CREATE TABLE migrations (
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (number)
);

-- COLLATE "C" compares bytes, as SQLite does: the order of pages is the same on every database, and
-- does not change with the system's locale. text_folded is the text without its case, as `q` searches
-- it, and NULL where that is the text itself. created_at is the server's clock when the batch began.
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

-- ASC, though it is what PostgreSQL takes it for: some of its relatives hash the first column.
CREATE INDEX by_ts ON messages USING btree (ts, message_id);

-- INCLUDE: the messages between two numbers are found, and counted, in the index alone.
CREATE INDEX by_from ON messages USING btree (from_msisdn, ts, message_id) INCLUDE (to_msisdn);

CREATE INDEX by_to ON messages USING btree (to_msisdn, ts, message_id) INCLUDE (from_msisdn);

-- Counts, so that nobody ever counts all. They lack the batches that are uncounted.
CREATE TABLE senders (
    from_msisdn TEXT COLLATE "C" NOT NULL,
    message_count BIGINT NOT NULL,
    PRIMARY KEY (from_msisdn)
);

CREATE INDEX senders_by_message_count ON senders USING btree (message_count DESC, from_msisdn);

CREATE TABLE recipients (
    to_msisdn TEXT COLLATE "C" NOT NULL,
    message_count BIGINT NOT NULL,
    PRIMARY KEY (to_msisdn)
);

-- One row, locked by whoever brings the counts up to date.
CREATE TABLE totals (
    id INTEGER NOT NULL,
    message_count BIGINT NOT NULL,
    sender_count BIGINT NOT NULL,
    first_ts TIMESTAMP WITH TIME ZONE,
    last_ts TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

INSERT INTO totals (id, message_count, sender_count) VALUES (1, 0, 0);

-- One row a batch, written with its messages, until it has been added to the counts: if every batch
-- updated the counts of its senders, each would wait for all others that have a sender in common.
-- The arrays have an element a message.
CREATE TABLE uncounted (
    batch_id UUID NOT NULL,
    message_count BIGINT NOT NULL,
    first_ts TIMESTAMP WITH TIME ZONE NOT NULL,
    last_ts TIMESTAMP WITH TIME ZONE NOT NULL,
    from_msisdns TEXT[] NOT NULL,
    to_msisdns TEXT[] NOT NULL,
    PRIMARY KEY (batch_id)
);

-- One row a batch, until its texts are in the index of texts, where there is one.
CREATE TABLE unsearched (
    batch_id UUID NOT NULL,
    message_count BIGINT NOT NULL,
    message_ids TEXT[] NOT NULL,
    PRIMARY KEY (batch_id)
);

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER NOT NULL,
    written_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (id),
    CHECK ((id = 1))
);

CREATE EXTENSION pg_trgm;

-- The folded text of every message that has one, a while behind `messages`: to bring a text into this
-- index takes several times what storing its message does, so that no webhook waits for it. Messages
-- that are not here yet are those of `unsearched`.
CREATE TABLE texts (
    message_id TEXT COLLATE "C" NOT NULL,
    text_folded TEXT NOT NULL,
    PRIMARY KEY (message_id)
);

CREATE INDEX by_text ON texts USING gin (text_folded gin_trgm_ops);

-- Messages, each stored once, in the orders that they are read in.

-- COLLATE "C" compares bytes, as SQLite does: the order of pages is the same on every database, and
-- does not change with the system's locale. text_folded is the text without its case, as `q` searches
-- it, and NULL where that is the text itself. created_at is the server's clock when the batch began.
CREATE TABLE messages (
    message_id TEXT COLLATE "C" PRIMARY KEY,
    from_msisdn TEXT COLLATE "C" NOT NULL,
    to_msisdn TEXT COLLATE "C" NOT NULL,
    ts TIMESTAMPTZ NOT NULL,
    text TEXT,
    text_folded TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- ASC, though it is what PostgreSQL takes it for: some of its relatives hash the first column.
CREATE INDEX by_ts ON messages (ts ASC, message_id);

-- INCLUDE: the messages between two numbers are found, and counted, in the index alone.
CREATE INDEX by_from ON messages (from_msisdn, ts, message_id) INCLUDE (to_msisdn);

CREATE INDEX by_to ON messages (to_msisdn, ts, message_id) INCLUDE (from_msisdn);

-- Counts, so that nobody ever counts all. They lack the batches that are uncounted.
CREATE TABLE senders (
    from_msisdn TEXT COLLATE "C" PRIMARY KEY,
    message_count BIGINT NOT NULL
);

CREATE INDEX senders_by_message_count ON senders (message_count DESC, from_msisdn);

CREATE TABLE recipients (
    to_msisdn TEXT COLLATE "C" PRIMARY KEY,
    message_count BIGINT NOT NULL
);

-- One row, locked by whoever brings the counts up to date.
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    message_count BIGINT NOT NULL,
    sender_count BIGINT NOT NULL,
    first_ts TIMESTAMPTZ,
    last_ts TIMESTAMPTZ
);

INSERT INTO totals (id, message_count, sender_count) VALUES (1, 0, 0);

-- One row a batch, written with its messages, until it has been added to the counts: if every batch
-- updated the counts of its senders, each would wait for all others that have a sender in common.
-- The arrays have an element a message.
CREATE TABLE uncounted (
    batch_id UUID PRIMARY KEY,
    message_count BIGINT NOT NULL,
    first_ts TIMESTAMPTZ NOT NULL,
    last_ts TIMESTAMPTZ NOT NULL,
    from_msisdns TEXT[] NOT NULL,
    to_msisdns TEXT[] NOT NULL
);

-- One row a batch, until its texts are in the index of texts, where there is one.
CREATE TABLE unsearched (
    batch_id UUID PRIMARY KEY,
    message_count BIGINT NOT NULL,
    message_ids TEXT[] NOT NULL
);

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    written_at TIMESTAMPTZ NOT NULL
);

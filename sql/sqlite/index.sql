-- The index file, app.db-index: what makes reads fast. It is derived from `messages`, and follows
-- in batches. The next start builds it again if it is missing, or if this file or fold() has changed.

-- The last message in the index. An index with another message_id or digest is built again.
CREATE TABLE indexed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;

-- The order of GET /messages for all, for one sender, for one recipient. These are tables, since
-- SQLite has no index of another file's table.
CREATE TABLE messages_by_ts (
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (ts, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages_by_from (
    from_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (from_msisdn, ts, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages_by_to (
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    from_msisdn TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (to_msisdn, ts, message_id)
) STRICT, WITHOUT ROWID;

-- The parts of three characters of every text; rowid is messages.seq. It keeps neither the text nor
-- the places of its parts: a message with all parts of a search is read again.
CREATE VIRTUAL TABLE texts USING fts5 (
    folded_text,
    tokenize = 'trigram case_sensitive 1',
    detail = none,
    content = '',
    columnsize = 0
);

-- Sorts up to 16 MiB of a batch in memory, so that less is merged later.
INSERT INTO texts (texts, rank) VALUES ('hashsize', 16777216);

-- Merges eight segments at a time instead of four: a message costs an eighth less.
INSERT INTO texts (texts, rank) VALUES ('automerge', 8);

CREATE TABLE senders (
    from_msisdn TEXT PRIMARY KEY,
    message_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX senders_by_message_count ON senders (message_count DESC, from_msisdn);

CREATE TABLE recipients (
    to_msisdn TEXT PRIMARY KEY,
    message_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    message_count INTEGER NOT NULL,
    sender_count INTEGER NOT NULL,
    first_ts INTEGER,
    last_ts INTEGER
) STRICT;

INSERT INTO totals (id, message_count, sender_count) VALUES (1, 0, 0);

CREATE TRIGGER count_sender AFTER INSERT ON senders
BEGIN
    UPDATE totals SET sender_count = sender_count + 1 WHERE id = 1;
END;

-- The index file beside the database (app.db-index): what reads need in order to be fast. All of it
-- is derived from `messages`, some milliseconds behind it, and can be deleted while the service is
-- stopped: the next start makes it anew. So it does when this file changes; there are no migrations.
--
-- Messages are stored, and answered 200, before they get here. What is not here yet is the tail:
-- messages with seq > :indexed_seq, which every query reads from `messages` itself.

-- How far the index is: the last message in it. message_id tells whether this is still the index
-- of that database; digest is that of this file.
CREATE TABLE indexed (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    digest TEXT NOT NULL
) STRICT;

-- The order of GET /messages, for all, for one sender, and for one recipient.
CREATE TABLE by_ts (
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (ts, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE by_from (
    from_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (from_msisdn, ts, message_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE by_to (
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    from_msisdn TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (to_msisdn, ts, message_id)
) STRICT, WITHOUT ROWID;

-- Every part of three characters of every text; rowid is messages.seq. The text itself is not kept
-- here, nor where in it the parts are: what has all parts of a search is looked at again.
CREATE VIRTUAL TABLE by_text USING fts5 (
    text_folded,
    tokenize = 'trigram case_sensitive 1',
    detail = none,
    content = '',
    columnsize = 0
);

-- How much of a batch is sorted in memory before it is written: 16 MiB. With less, more is merged.
INSERT INTO by_text (by_text, rank) VALUES ('hashsize', 16777216);

-- Merges eight parts of the index, not four, at a time: a message costs an eighth less, and a search
-- looks at a few more of them.
INSERT INTO by_text (by_text, rank) VALUES ('automerge', 8);

-- Counts, so that nobody ever counts all.
CREATE TABLE senders (
    from_msisdn TEXT PRIMARY KEY,
    message_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX senders_by_message_count ON senders (message_count DESC, from_msisdn);

CREATE TABLE recipients (
    to_msisdn TEXT PRIMARY KEY,
    message_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whoever has sent, or was sent, 25,000 messages (the triggers below put them here). Of two numbers that
-- are both busy, what one sent to the other is counted as well: to find it among the messages of one
-- of them would take the longer, the more they are.
CREATE TABLE busy_senders (
    from_msisdn TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE busy_recipients (
    to_msisdn TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE busy_pairs (
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    message_count INTEGER NOT NULL,
    PRIMARY KEY (from_msisdn, to_msisdn)
) STRICT, WITHOUT ROWID;

-- One row.
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

-- Who becomes busy is counted with all who are, once; from then on index_busy_pairs adds to it. by_from
-- and by_to have the slice already. (A slice has fewer than 25,000 messages, so that nobody is busy by
-- an INSERT.)
CREATE TRIGGER count_pairs_of_sender AFTER UPDATE ON senders
WHEN old.message_count < 25000 AND new.message_count >= 25000
BEGIN
    INSERT INTO busy_senders (from_msisdn) VALUES (new.from_msisdn);
    INSERT INTO busy_pairs (from_msisdn, to_msisdn, message_count)
    SELECT from_msisdn, to_msisdn, count(*)
    FROM by_from
    WHERE from_msisdn = new.from_msisdn
        AND to_msisdn IN (SELECT to_msisdn FROM busy_recipients)
    GROUP BY to_msisdn;
END;

CREATE TRIGGER count_pairs_of_recipient AFTER UPDATE ON recipients
WHEN old.message_count < 25000 AND new.message_count >= 25000
BEGIN
    INSERT INTO busy_recipients (to_msisdn) VALUES (new.to_msisdn);
    INSERT INTO busy_pairs (from_msisdn, to_msisdn, message_count)
    SELECT from_msisdn, to_msisdn, count(*)
    FROM by_to
    WHERE to_msisdn = new.to_msisdn
        AND from_msisdn IN (SELECT from_msisdn FROM busy_senders)
    GROUP BY from_msisdn;
END;

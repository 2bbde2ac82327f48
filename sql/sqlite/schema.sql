-- What the migrations add up to. `just sql` writes this file, and the service never reads it: to
-- change the database, add a file to migrations/.

-- The list of migrations that this database has had; made before the first of them runs.
CREATE TABLE migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- seq is the order of commits, and never reused. Instants (ts, created_at) are microseconds since
-- 1970-01-01T00:00:00Z. text_folded is the text without its case, as `q` searches it, and NULL
-- where that is the text itself.
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    text TEXT,
    text_folded TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- The order of GET /messages, alone and for one sender or recipient.
CREATE INDEX messages_by_ts ON messages (ts, message_id);

CREATE INDEX messages_by_from ON messages (from_msisdn, ts, message_id);

CREATE INDEX messages_by_to ON messages (to_msisdn, ts, message_id);

CREATE TRIGGER count_message AFTER INSERT ON messages
BEGIN
    INSERT INTO senders (from_msisdn, messages) VALUES (NEW.from_msisdn, 1)
    ON CONFLICT (from_msisdn) DO UPDATE SET messages = messages + 1;
    UPDATE totals
    SET messages = messages + 1,
        first_ts = min(ifnull(first_ts, NEW.ts), NEW.ts),
        last_ts = max(ifnull(last_ts, NEW.ts), NEW.ts)
    WHERE id = 1;
END;

-- Counts are kept by triggers in the inserting transaction, so that nobody ever counts.
CREATE TABLE senders (
    from_msisdn TEXT PRIMARY KEY,
    messages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX senders_by_messages ON senders (messages DESC, from_msisdn);

CREATE TRIGGER count_sender AFTER INSERT ON senders
BEGIN
    UPDATE totals SET senders = senders + 1 WHERE id = 1;
END;

-- One row.
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    messages INTEGER NOT NULL,
    senders INTEGER NOT NULL,
    first_ts INTEGER,
    last_ts INTEGER
) STRICT;

INSERT INTO totals (id, messages, senders, first_ts, last_ts) VALUES (1, 0, 0, NULL, NULL);

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;

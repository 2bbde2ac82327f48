-- Messages, each stored once. Nothing here serves reading: what is written here is waited for, and
-- every further index would cost it a page of 4 KiB a message. index.sql has the rest.

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

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;

-- What the migrations add up to. `just sql` writes this file, and the service never reads it: to
-- change the database, add a file to migrations/.

-- The migrations that this database has had. Made before the first of them runs.
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

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;

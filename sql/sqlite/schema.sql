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
-- 1970-01-01T00:00:00Z. folded_text is the text as `q` searches it, and NULL where that is the text
-- itself.
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    text TEXT,
    folded_text TEXT,
    created_at INTEGER NOT NULL
) STRICT;

-- One row, rewritten by the readiness probe to prove that the database takes writes.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    written_at INTEGER NOT NULL
) STRICT;

-- body is last: where it is long, a read of the other columns does not touch it. received_at is in
-- microseconds since 1970-01-01T00:00:00Z. headers is a JSON object.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT,
    received_at INTEGER NOT NULL,
    headers TEXT NOT NULL,
    content_type TEXT,
    problem TEXT,
    body BLOB NOT NULL,
    UNIQUE (source, event_id)
) STRICT;

-- The order of GET /events in each source. Events arrive in this order, so a batch changes few pages.
CREATE INDEX events_by_source ON events (source, received_at, event_id);

CREATE INDEX events_by_type ON events (source, type, received_at, event_id)
WHERE type IS NOT NULL;

CREATE INDEX events_by_problem ON events (source, received_at, event_id, type)
WHERE problem IS NOT NULL;

-- Which event brought a message. Not every message has one, and an event may bring many.
CREATE TABLE event_messages (
    message_id TEXT NOT NULL,
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (message_id, source, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_messages_by_event ON event_messages (source, event_id);

-- Every source that ever had an event, and how many it has. A batch updates these counts itself.
CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    event_count INTEGER NOT NULL,
    problem_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: the version of fold() (service/messages/text.py) that all texts have been through.
CREATE TABLE folding (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO folding (id, version) VALUES (1, 1);

-- The requests of other senders, kept as they came, and what each source has of them.

CREATE TABLE events (
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    type TEXT COLLATE "C",
    received_at TIMESTAMPTZ NOT NULL,
    headers TEXT NOT NULL,
    content_type TEXT,
    problem TEXT,
    body BYTEA NOT NULL,
    PRIMARY KEY (source, event_id)
);

CREATE INDEX events_by_source ON events (source ASC, received_at, event_id);

CREATE INDEX events_by_type ON events (source ASC, type, received_at, event_id)
WHERE type IS NOT NULL;

CREATE INDEX events_by_problem ON events (source ASC, received_at, event_id) INCLUDE (type)
WHERE problem IS NOT NULL;

CREATE TABLE event_messages (
    message_id TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (message_id, source, event_id)
);

CREATE INDEX event_messages_by_event ON event_messages (source ASC, event_id);

CREATE TABLE sources (
    source TEXT COLLATE "C" NOT NULL,
    part INTEGER NOT NULL,
    event_count BIGINT NOT NULL,
    problem_count BIGINT NOT NULL,
    PRIMARY KEY (source, part)
);

COMMENT ON TABLE events IS
'Every request of another sender, stored once. headers is a JSON object. problem is NULL where all is
well.';

COMMENT ON INDEX events_by_source IS
'The order of GET /events in each source. Events arrive in this order.';

COMMENT ON INDEX events_by_type IS
'The events of one type of a source, in order.';

COMMENT ON INDEX events_by_problem IS
'The events that have a problem, in order.';

COMMENT ON TABLE event_messages IS
'Which event brought a message. Not every message has one, and an event may bring many.';

COMMENT ON INDEX event_messages_by_event IS
'The messages of an event.';

COMMENT ON TABLE sources IS
'Every source that ever had an event. The sum over its parts is how many it has. A batch adds to the
part of its connection, so that batches do not wait for each other.';

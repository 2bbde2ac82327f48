-- Reads events by their names.
-- Parameters: :sources, :event_ids (arrays with an element for each event)
-- Rows: source, event_id, type, received_at, headers, content_type, body, problem, message_ids (an
--       array)
-- Index: the primary key of events, event_messages_by_event
-- Differs: SQLite has no arrays
SELECT
    events.source,
    events.event_id,
    events.type,
    events.received_at,
    events.headers,
    events.content_type,
    events.body,
    events.problem,
    ARRAY(
        SELECT message_id
        FROM event_messages
        WHERE event_messages.source = events.source AND event_messages.event_id = events.event_id
    ) AS message_ids
FROM unnest(CAST(:sources AS TEXT[]), CAST(:event_ids AS TEXT[])) AS name (source, event_id)
JOIN events ON events.source = name.source AND events.event_id = name.event_id;

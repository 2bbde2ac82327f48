-- Finds events by their names, to compare a batch's duplicates with them.
-- Parameters: :sources, :event_ids, :bodies, :places (arrays with an element for each event)
-- Rows: place, is_same (whether the body is the same)
-- Index: the primary key of events
-- Differs: SQLite has no arrays, and gets the whole batch
SELECT sent.place, events.body = sent.body AS is_same
FROM unnest(
    CAST(:sources AS TEXT[]),
    CAST(:event_ids AS TEXT[]),
    CAST(:bodies AS BYTEA[]),
    CAST(:places AS BIGINT[])
) AS sent (source, event_id, body, place)
JOIN events ON events.source = sent.source AND events.event_id = sent.event_id;

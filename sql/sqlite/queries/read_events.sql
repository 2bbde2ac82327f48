-- Reads events by their names.
-- Parameters: :names (a JSON array of [source, event_id])
-- Rows: source, event_id, type, received_at, headers, content_type, body, problem, message_ids (a
--       JSON array)
-- Index: the UNIQUE one on (source, event_id), event_messages_by_event
-- Differs: PostgreSQL has arrays
SELECT
    events.source,
    events.event_id,
    events.type,
    events.received_at,
    events.headers,
    events.content_type,
    events.body,
    events.problem,
    (
        SELECT json_group_array(message_id)
        FROM event_messages
        WHERE event_messages.source = events.source AND event_messages.event_id = events.event_id
    ) AS message_ids
FROM json_each(:names) AS name
CROSS JOIN events
    ON events.source = name.value ->> 0 AND events.event_id = name.value ->> 1;

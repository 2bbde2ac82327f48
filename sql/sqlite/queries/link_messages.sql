-- Records which messages an event brought.
-- Parameters: :links (a JSON array of [message_id, source, event_id])
-- Index: the primary key of event_messages
-- Differs: PostgreSQL has arrays
INSERT INTO event_messages (message_id, source, event_id)
SELECT value ->> 0, value ->> 1, value ->> 2
FROM json_each(:links)
WHERE true
ON CONFLICT (message_id, source, event_id) DO NOTHING;

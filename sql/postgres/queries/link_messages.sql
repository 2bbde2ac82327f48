-- Records which messages an event brought.
-- Parameters: :message_ids, :sources, :event_ids (arrays with an element for each message)
-- Rows: none
-- Index: the primary key of event_messages
-- Differs: SQLite has no arrays
INSERT INTO event_messages (message_id, source, event_id)
SELECT message_id, source, event_id
FROM unnest(
    CAST(:message_ids AS TEXT[]), CAST(:sources AS TEXT[]), CAST(:event_ids AS TEXT[])
) AS link (message_id, source, event_id)
ORDER BY message_id COLLATE "C", source COLLATE "C", event_id COLLATE "C"
ON CONFLICT (message_id, source, event_id) DO NOTHING;

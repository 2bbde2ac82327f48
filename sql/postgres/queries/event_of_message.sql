-- The first event that brought a message, of those that are still there.
-- Parameters: :message_id
-- Rows: one, or none: source, event_id
-- Index: the primary keys of event_messages and of events
SELECT events.source, events.event_id
FROM event_messages JOIN events USING (source, event_id)
WHERE message_id = :message_id
ORDER BY received_at
LIMIT 1;

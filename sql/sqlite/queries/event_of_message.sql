-- The first event that brought a message, of those that are still there.
-- Parameters: :message_id
-- Rows: one, or none: source, event_id
-- Index: the primary key of event_messages, the UNIQUE one on (source, event_id)
SELECT events.source, events.event_id
FROM event_messages JOIN events USING (source, event_id)
WHERE message_id = :message_id
ORDER BY received_at
LIMIT 1;

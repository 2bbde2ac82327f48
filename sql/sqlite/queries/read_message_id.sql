-- The id of one message.
-- Parameters: :seq
-- Rows: one, or none: message_id
SELECT message_id
FROM messages
WHERE seq = :seq;

-- The id of one message, by its place in the order of commits.
--
-- Parameters: :seq
-- Rows:       one, or none: message_id
-- Index:      the primary key of messages
SELECT message_id
FROM messages
WHERE seq = :seq;

-- Deletes from texts what others have deleted from messages.
-- Rows: none
-- Index: the primary keys of texts and messages
-- Scan: all messages
DELETE FROM texts
WHERE NOT EXISTS (
    SELECT 1
    FROM messages
    WHERE messages.message_id = texts.message_id AND messages.text IS NOT NULL
);

-- Finds messages by their ids, to compare a batch's duplicates with them.
-- Parameters: :message_ids  an array
-- Rows: message_id, from_msisdn, to_msisdn, ts, text
-- Index: the primary key of messages
-- Differs: SQLite has no arrays, and gives one JSON array
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE message_id = ANY (CAST(:message_ids AS TEXT[]));

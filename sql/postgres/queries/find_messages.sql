-- The messages with some ids: what a batch's duplicates are compared with.
--
-- Parameters: :message_ids  an array of ids
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text
-- Index:      the primary key of messages
-- Differs:    SQLite gives one row, a JSON array of all; here insert_messages says which to look for
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE message_id = ANY (CAST(:message_ids AS TEXT[]));

-- The messages of some ids: what a batch's duplicates are compared with.
--
-- Parameters: :message_ids  a JSON array of ids
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; an id that is not there has no row
-- Index:      the UNIQUE one on message_id
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE message_id IN (SELECT value FROM json_each(:message_ids));

-- The messages that have one of these ids and were stored before this batch.
-- Parameters: :message_ids (a JSON array), :created_at (of this batch, which is left out)
-- Rows: one: messages (a JSON array of [message_id, from_msisdn, to_msisdn, ts, text])
-- Index: the UNIQUE one on message_id
SELECT json_group_array(json_array(message_id, from_msisdn, to_msisdn, ts, text)) AS messages
FROM messages
WHERE message_id IN (SELECT value FROM json_each(:message_ids))
    AND created_at <> :created_at;

-- Adds to the slice messages that follow it.
--
-- Parameters: :after_seq  the last message before them
--             :limit      how many to add
-- Rows:       none
-- Index:      the primary key of messages
INSERT INTO slice (seq, message_id, from_msisdn, to_msisdn, ts, text_folded)
SELECT seq, message_id, from_msisdn, to_msisdn, ts, ifnull(text_folded, text)
FROM messages
WHERE seq > :after_seq
ORDER BY seq
LIMIT :limit;

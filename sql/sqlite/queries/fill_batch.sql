-- Adds the next messages to the batch.
-- Parameters: :after_seq (the last one before them), :limit
INSERT INTO batch (seq, message_id, from_msisdn, to_msisdn, ts, text_folded)
SELECT seq, message_id, from_msisdn, to_msisdn, ts, ifnull(text_folded, text)
FROM messages
WHERE seq > :after_seq
ORDER BY seq
LIMIT :limit;

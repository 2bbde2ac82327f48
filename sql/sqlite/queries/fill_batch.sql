-- Adds the next messages to the batch.
-- Parameters: :after_seq (the last one before them), :limit
INSERT INTO batch (seq, message_id, from_msisdn, to_msisdn, ts, folded_text)
SELECT seq, message_id, from_msisdn, to_msisdn, ts, ifnull(folded_text, text)
FROM messages
WHERE seq > :after_seq
ORDER BY seq
LIMIT :limit;

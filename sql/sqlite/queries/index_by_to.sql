-- Takes a slice of messages into by_to, in its order.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages
INSERT INTO by_to (to_msisdn, ts, message_id, from_msisdn, seq)
SELECT to_msisdn, ts, message_id, from_msisdn, seq
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq
ORDER BY to_msisdn, ts, message_id;

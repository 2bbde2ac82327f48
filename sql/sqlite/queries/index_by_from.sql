-- Takes a slice of messages into by_from, in its order.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages
INSERT INTO by_from (from_msisdn, ts, message_id, to_msisdn, seq)
SELECT from_msisdn, ts, message_id, to_msisdn, seq
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq
ORDER BY from_msisdn, ts, message_id;

-- Takes a slice of messages into by_ts, in its order, so that a page is written once.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages
INSERT INTO by_ts (ts, message_id, seq)
SELECT ts, message_id, seq
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq
ORDER BY ts, message_id;

-- Adds a slice of messages to the counts of their senders.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages, and that of senders
INSERT INTO senders (from_msisdn, message_count)
SELECT from_msisdn, count(*)
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq
GROUP BY from_msisdn
ON CONFLICT (from_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

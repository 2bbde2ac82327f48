-- Adds a slice of messages to the counts of their recipients.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages, and that of recipients
INSERT INTO recipients (to_msisdn, message_count)
SELECT to_msisdn, count(*)
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq
GROUP BY to_msisdn
ON CONFLICT (to_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

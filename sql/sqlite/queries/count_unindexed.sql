-- Counts the messages of one chunk, for the metric.
-- Parameters: :after_seq < seq <= :last_seq
-- Rows: one: message_count
SELECT count(*) AS message_count
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq;

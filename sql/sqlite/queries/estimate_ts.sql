-- Counts the indexed messages of a range, up to :limit.
-- Parameters: :since <= ts < :until, :limit
-- Rows: one: message_count
-- Index: the primary key of messages_by_ts
SELECT count(*) AS message_count
FROM (SELECT 1 FROM messages_by_ts WHERE ts >= :since AND ts < :until LIMIT :limit);

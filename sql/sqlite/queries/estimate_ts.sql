-- Whether few messages are in a range: how many of the index, counted no further than :limit.
--
-- Parameters: :since, :until   since <= ts < until, in microseconds since 1970
--             :limit
-- Rows:       one: message_count
-- Index:      the primary key of by_ts
SELECT count(*) AS message_count
FROM (SELECT 1 FROM by_ts WHERE ts >= :since AND ts < :until LIMIT :limit);

-- How many messages are not in the counts, or not in the index of texts: the more of the two.
--
-- Parameters: none
-- Rows:       one: message_count
SELECT greatest(
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM uncounted),
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM unsearched)
) AS message_count;

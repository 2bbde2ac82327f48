-- How many messages are not in the counts, and how many are not in the index of texts.
--
-- Parameters: none
-- Rows:       one: uncounted_count, unsearched_count
SELECT
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM uncounted) AS uncounted_count,
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM unsearched) AS unsearched_count;

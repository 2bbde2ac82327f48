-- Counts the messages that the counts lack, and those that the index of texts lacks.
-- Rows: one: pending_counts, pending_texts
SELECT
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM pending_counts) AS pending_counts,
    (SELECT coalesce(CAST(sum(message_count) AS BIGINT), 0) FROM pending_texts) AS pending_texts;

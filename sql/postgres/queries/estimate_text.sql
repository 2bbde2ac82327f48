-- Counts the candidates that the index of texts has for a text, up to a limit.
-- Parameters: :q (part of the folded text, 3 characters or more), :limit
-- Rows: one: message_count
-- Index: texts_by_trigram; for a small :limit the planner may read texts in sequence
-- Differs: SQLite searches for the parts of the text
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM texts
    WHERE folded_text
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    LIMIT CAST(:limit AS BIGINT)
) AS found;

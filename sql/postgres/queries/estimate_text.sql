-- Whether few messages have a text: how many in the index of texts have its parts, counted no further
-- than :limit.
--
-- Parameters: :q            part of the text, folded, of 3 characters or more
--             :limit
-- Rows:       one: message_count
-- Index:      by_text, or none where the planner expects to find :limit of them soon without
-- Differs:    SQLite takes the parts as a parameter
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM texts
    WHERE text_folded
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    LIMIT CAST(:limit AS BIGINT)
) AS found;

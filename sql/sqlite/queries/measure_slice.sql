-- How large the slice is, and where it ends.
--
-- Parameters: none
-- Rows:       one: message_count, characters (of all texts), last_seq; all 0 where it is empty
SELECT
    count(*) AS message_count,
    CAST(total(length(text_folded)) AS INTEGER) AS characters,
    ifnull(max(seq), 0) AS last_seq
FROM slice;

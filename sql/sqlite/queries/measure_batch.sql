-- The size of the batch, and its last message. All 0 if it is empty.
-- Rows: one: message_count, characters (of all texts), last_seq
SELECT
    count(*) AS message_count,
    CAST(total(length(folded_text)) AS INTEGER) AS characters,
    ifnull(max(seq), 0) AS last_seq
FROM batch;

-- Where the messages end, and where the copy of the tail does: whether there is anything to do with it.
--
-- Parameters: none
-- Rows:       one: stored_seq, kept_seq; 0 where there is none
-- Index:      the primary key of each, from its end
SELECT
    (SELECT ifnull(max(seq), 0) FROM messages) AS stored_seq,
    (SELECT ifnull(max(seq), 0) FROM tail_copy) AS kept_seq;

-- The message that was stored last; 0 if there is none.
-- Rows: one: seq
-- Index: the primary key of messages, from its end
SELECT ifnull(max(seq), 0) AS seq
FROM messages;

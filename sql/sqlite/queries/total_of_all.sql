-- How many messages there are in all: the kept count, and the tail.
--
-- Parameters: :copied_seq  how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of totals, which has one row; that of messages for the tail
SELECT
    message_count
    + (SELECT count(*) FROM tail_copy)
    + (SELECT count(*) FROM messages WHERE seq > :copied_seq)
    AS message_count
FROM totals
WHERE id = 1;

-- Which messages have a text that is too short for by_text: all are read, in the order they lie in,
-- piece by piece, until it is clear that many have it.
--
-- Parameters: :q            part of the text, folded
--             :after_seq, :last_seq   a piece of all messages: after_seq < seq <= last_seq
--             :limit
-- Rows:       seq
-- Index:      the primary key of messages
-- Scan:       one message after the other is read some 20 times as fast as each by its place in an
--             index; so that is what it takes where most would have to be looked at
SELECT seq
FROM messages
WHERE seq > :after_seq
    AND seq <= :last_seq
    AND instr(ifnull(text_folded, text), :q) > 0
LIMIT :limit;

-- Takes the texts of a slice of messages into the search index.
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages
INSERT INTO by_text (rowid, text_folded)
SELECT seq, ifnull(text_folded, text)
FROM messages
WHERE seq > :after_seq AND seq <= :last_seq AND text IS NOT NULL;

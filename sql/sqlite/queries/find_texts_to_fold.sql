-- Finds, in one chunk of all messages, the texts that fold() may change: those that are not ASCII.
-- Parameters: :after_seq < seq <= :last_seq
-- Rows: seq, text, folded_text
-- Index: the primary key of messages
-- Differs: PostgreSQL has no seq
SELECT seq, text, folded_text
FROM messages
WHERE seq > :after_seq
    AND seq <= :last_seq
    AND length(CAST(text AS BLOB)) > length(text); -- more bytes than characters

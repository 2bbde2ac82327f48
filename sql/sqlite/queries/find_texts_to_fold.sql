-- Finds, in one chunk of all messages, the texts that fold() decides about: those that are not
-- ASCII, and those that others have changed since they were folded.
-- Parameters: :after_seq < seq <= :last_seq
-- Rows: seq, text, folded_text
-- Index: the primary key of messages
-- Differs: PostgreSQL has no seq
SELECT seq, text, folded_text
FROM messages
WHERE seq > :after_seq
    AND seq <= :last_seq
    AND (
        length(CAST(text AS BLOB)) > length(text) -- more bytes than characters
        OR folded_text IS NOT nullif(lower(text), text)
    );

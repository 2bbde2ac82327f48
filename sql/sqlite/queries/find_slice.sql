-- The next slice of messages that the index does not have yet.
--
-- Parameters: :after_seq  how far the index is
--             :limit      how many messages a slice may have
-- Rows:       one, or none: seq, message_id; the last message of the slice
-- Index:      the primary key of messages
SELECT seq, message_id
FROM (
    SELECT seq, message_id
    FROM messages
    WHERE seq > :after_seq
    ORDER BY seq
    LIMIT :limit
)
ORDER BY seq DESC
LIMIT 1;

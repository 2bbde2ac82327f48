-- Counts the messages in a range, or with a text.
-- Parameters: :since <= ts < :until, :q (part of the folded text, or '')
-- Rows: one: message_count
-- Index: messages_by_ts
SELECT count(*) AS message_count
FROM messages
WHERE ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0);

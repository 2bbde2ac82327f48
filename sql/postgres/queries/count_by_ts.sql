-- How many messages there are in a range, or with a text, one by one.
--
-- Parameters: :since, :until   since <= ts < until
--             :q            part of the text, folded; '' for any
-- Rows:       one: message_count
-- Index:      by_ts
-- Differs:    SQLite has an index beside the messages, and a tail that it lacks
SELECT count(*) AS message_count
FROM messages
WHERE ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(text_folded, text), :q) > 0);

-- How many messages one sender has in a range, or with a text, one by one.
--
-- Parameters: :from_msisdn
--             :since, :until   since <= ts < until
--             :q            part of the text, folded; '' for any
-- Rows:       one: message_count
-- Index:      by_from
-- Differs:    SQLite has an index beside the messages, and a tail that it lacks; it takes
--             :to_msisdn here, too
SELECT count(*) AS message_count
FROM messages
WHERE from_msisdn = :from_msisdn
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(text_folded, text), :q) > 0);

-- How many messages one recipient has in a range, from one sender, or with a text, one by one.
--
-- Parameters: :to_msisdn
--             :from_msisdn  NULL for any
--             :since, :until   since <= ts < until
--             :q            part of the text, folded; '' for any
-- Rows:       one: message_count
-- Index:      by_to
-- Differs:    SQLite has an index beside the messages, and a tail that it lacks
SELECT count(*) AS message_count
FROM messages
WHERE to_msisdn = :to_msisdn
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(text_folded, text), :q) > 0);

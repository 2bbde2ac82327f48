-- How many messages one sender sent to one recipient, in a range, or with a text, one by one.
--
-- Parameters: :from_msisdn, :to_msisdn
--             :since, :until   since <= ts < until
--             :q            part of the text, folded; '' for any
-- Rows:       one: message_count
-- Index:      by_from, or that of recipients: the planner knows which number has fewer
SELECT count(*) AS message_count
FROM messages
WHERE from_msisdn = :from_msisdn
    AND to_msisdn = :to_msisdn
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(text_folded, text), :q) > 0);

-- Counts the messages of one sender to one recipient, in a range or with a text.
-- Parameters: :from_msisdn, :to_msisdn, :since <= ts < :until, :q (part of the folded text, or '')
-- Rows: one: message_count
-- Index: messages_by_from, or that of recipients: the planner knows which number has fewer messages
SELECT count(*) AS message_count
FROM messages
WHERE from_msisdn = :from_msisdn
    AND to_msisdn = :to_msisdn
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0);

-- Counts the messages of one sender in a range, or with a text.
-- Parameters: :from_msisdn, :since <= ts < :until, :q (part of the folded text, or '')
-- Rows: one: message_count
-- Index: messages_by_from
-- Differs: SQLite has no count_by_pair, and takes the other number here
SELECT count(*) AS message_count
FROM messages
WHERE from_msisdn = :from_msisdn
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0);

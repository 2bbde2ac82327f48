-- Counts the messages of one recipient in a range, or with a text.
-- Parameters: :to_msisdn, :since <= ts < :until, :q (part of the folded text, or '')
-- Rows: one: message_count
-- Index: messages_by_to
-- Differs: SQLite has no count_by_pair, and takes the other number here
SELECT count(*) AS message_count
FROM messages
WHERE to_msisdn = :to_msisdn
    AND ts >= :since
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0);

-- How many messages have a text that no index serves: all are read, in the order they lie in.
--
-- Parameters: :q            part of the text, folded
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until
-- Rows:       one: message_count
-- Index:      none
-- Scan:       one message after the other is read many times as fast as each by its place in an
--             index; so that is what it takes where most would have to be looked at
-- Differs:    SQLite counts piece by piece, so that no read keeps its log from being moved for long
SELECT count(*) AS message_count
FROM messages
WHERE strpos(coalesce(text_folded, text), :q) > 0
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

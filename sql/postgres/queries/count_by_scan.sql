-- Counts the messages with a text, when no index serves it.
-- Parameters: :q (part of the folded text), :from_msisdn, :to_msisdn (NULL for any), :since <= ts <
--             :until
-- Rows: one: message_count
-- Scan: reading all messages in sequence is faster than reading most of them by an index
-- Differs: SQLite counts in chunks, because a long read keeps the WAL from being reset
SELECT count(*) AS message_count
FROM messages
WHERE strpos(coalesce(folded_text, text), :q) > 0
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

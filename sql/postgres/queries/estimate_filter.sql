-- Counts the messages of a filter without its text, up to a limit.
-- Parameters: :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until, :limit
-- Rows: one: message_count
-- Index: messages_by_ts, or that of a number
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM messages
    WHERE (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
    -- Without an order the planner may read all messages, from long before the range.
    ORDER BY ts, message_id
    LIMIT CAST(:limit AS BIGINT)
) AS found;

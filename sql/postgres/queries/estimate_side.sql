-- Whether few messages have the numbers and the range of a filter, whatever their text: how many,
-- counted no further than :limit.
--
-- Parameters: :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until
--             :limit
-- Rows:       one: message_count
-- Index:      by_ts, or that of a number, and in its order: where messages lie in the order of their
--             instants, one after the other could be read for long before the range begins
SELECT count(*) AS message_count
FROM (
    SELECT 1
    FROM messages
    WHERE (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
    ORDER BY ts, message_id
    LIMIT CAST(:limit AS BIGINT)
) AS found;

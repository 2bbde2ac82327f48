-- Reads a page of the messages with a text that few have, when no index serves the text.
-- Parameters: :q (part of the folded text), :from_msisdn, :to_msisdn (NULL for any), :after_ts,
--             :after_message_id (the page begins after this place), ts < :until, :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Scan: reading all messages in sequence is faster than reading most of them by an index
WITH found AS MATERIALIZED (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM messages
    WHERE strpos(coalesce(text_folded, text), :q) > 0
        AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
        AND ts < :until
)
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM found
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

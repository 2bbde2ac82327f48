-- Reads a page of the messages with a text that few have, when no index serves the text.
-- Parameters: :q (part of the folded text), :from_msisdn, :to_msisdn (NULL for any), :after_ts,
--             :after_message_id (the page begins after this place), :before_ts, :before_message_id
--             (it ends before this place), :is_descending, :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id), or the reverse
-- Scan: reading all messages in sequence is faster than reading most of them by an index
WITH found AS MATERIALIZED (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM messages
    WHERE strpos(coalesce(folded_text, text), :q) > 0
        AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
        AND (ts, message_id) < (CAST(:before_ts AS TIMESTAMPTZ), CAST(:before_message_id AS TEXT))
)
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM found
ORDER BY
    CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN ts END,
    CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN message_id END,
    ts DESC,
    message_id DESC
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

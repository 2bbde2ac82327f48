-- Reads a page of all messages, latest first.
-- Parameters: :before_ts, :before_message_id (the page ends before this place), ts >= :since, :q
--             (part of the folded text, or ''), :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id), descending
-- Index: messages_by_ts
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE (ts, message_id) < (CAST(:before_ts AS TIMESTAMPTZ), CAST(:before_message_id AS TEXT))
    AND ts >= :since
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0)
ORDER BY ts DESC, message_id DESC
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

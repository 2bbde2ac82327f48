-- Reads a page of one recipient's messages.
-- Parameters: :to_msisdn, :after_ts, :after_message_id (the page begins after this place), ts <
--             :until, :q (part of the folded text, or ''), :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index: messages_by_to
-- Differs: SQLite has no page_by_pair, and takes the other number here
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE to_msisdn = :to_msisdn
    AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0)
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

-- Reads a page of the messages of one sender to one recipient, latest first. An index alone finds
-- them, and only the messages of the page are read.
-- Parameters: :from_msisdn, :to_msisdn, :before_ts, :before_message_id (the page ends before this
--             place), ts >= :since, :q (part of the folded text, or ''), :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id), descending
-- Index: messages_by_from, or that of recipients: the planner knows which number has fewer
--        messages; the primary key of messages for the page
WITH page AS (
    SELECT message_id, ts
    FROM messages
    WHERE from_msisdn = :from_msisdn
        AND to_msisdn = :to_msisdn
        AND (ts, message_id) < (CAST(:before_ts AS TIMESTAMPTZ), CAST(:before_message_id AS TEXT))
        AND ts >= :since
        AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(folded_text, text), :q) > 0)
    ORDER BY ts DESC, message_id DESC
    LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT)
)
SELECT message_id, from_msisdn, to_msisdn, messages.ts, text
FROM page JOIN messages USING (message_id)
ORDER BY page.ts DESC, message_id DESC;

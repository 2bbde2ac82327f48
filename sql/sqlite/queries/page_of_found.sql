-- A page of the messages that find_by_scan found, and their count. It sorts all of them.
-- Parameters: :found (a JSON array of seqs), :from_msisdn, :to_msisdn (NULL for any), :since <= ts
--             < :until, :after_ts, :after_message_id (the page begins after this place),
--             :before_ts, :before_message_id (it ends before this place), :is_descending, :limit,
--             :offset
-- Rows: message_count, message_id (NULL if the page is empty), from_msisdn, to_msisdn, ts, text;
--       ordered by (ts, message_id), or the reverse
-- Index: the primary key of messages
WITH found AS MATERIALIZED (
    SELECT messages.seq, message_id, ts
    FROM json_each(:found) AS one
    CROSS JOIN messages ON messages.seq = one.value
    WHERE (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
),
page AS (
    SELECT seq, message_id, ts
    FROM found
    WHERE (ts, message_id) > (:after_ts, :after_message_id)
        AND (ts, message_id) < (:before_ts, :before_message_id)
    ORDER BY
        CASE WHEN NOT :is_descending THEN ts END,
        CASE WHEN NOT :is_descending THEN message_id END,
        ts DESC,
        message_id DESC
    LIMIT :limit OFFSET :offset
),
size AS (SELECT count(*) AS message_count FROM found)
SELECT
    size.message_count,
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM size LEFT JOIN page ON true LEFT JOIN messages USING (seq)
ORDER BY
    CASE WHEN NOT :is_descending THEN page.ts END,
    CASE WHEN NOT :is_descending THEN page.message_id END,
    page.ts DESC,
    page.message_id DESC;

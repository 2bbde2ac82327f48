-- A page of the messages that find_by_scan found, and their count. It sorts all of them.
-- Parameters: :found (a JSON array of seqs), :from_msisdn, :to_msisdn (NULL for any),
--             :since <= ts < :until,
--             :after_ts, :after_message_id (the page begins after this place), :limit, :offset
-- Rows: message_count, message_id (NULL if the page is empty), from_msisdn, to_msisdn, ts,
--       text; ordered by (ts, message_id)
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
    ORDER BY ts, message_id
    LIMIT :limit OFFSET :offset
),
size AS (SELECT count(*) AS message_count FROM found)
SELECT
    size.message_count,
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM size LEFT JOIN page ON true LEFT JOIN messages USING (seq)
ORDER BY page.ts, page.message_id;

-- A page of the messages with a text that few have, and their count. It sorts all of them. It gives
-- up if more than :candidates_max messages have all parts of the text, or the text itself.
-- Parameters: :match (the parts of :q: '"abc" AND "bcd"'), :q (part of the text, folded),
--             :candidates_max, :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until,
--             :after_ts, :after_message_id (the page begins after this place), :before_ts,
--             :before_message_id (it ends before this place), :is_descending, :limit, :offset
-- Rows: message_count (NULL if it gave up), message_id (NULL if the page is empty), from_msisdn,
--       to_msisdn, ts, text; ordered by (ts, message_id), or the reverse
-- Index: texts; the primary key of messages
WITH candidates AS MATERIALIZED (
    SELECT rowid AS seq
    FROM texts
    WHERE texts MATCH :match
    LIMIT CAST(:candidates_max AS INTEGER) + 1
),
size AS MATERIALIZED (
    SELECT count(*) <= CAST(:candidates_max AS INTEGER) AS is_small FROM candidates
),
found AS MATERIALIZED (
    SELECT messages.seq, message_id, ts
    FROM (
        SELECT seq FROM candidates
        UNION ALL
        SELECT seq FROM unindexed_messages
    ) AS candidate
    CROSS JOIN messages USING (seq) -- CROSS: in this order, whatever the planner knows
    WHERE (SELECT is_small FROM size)
        AND instr(ifnull(folded_text, text), :q) > 0
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
    LIMIT CAST(:candidates_max AS INTEGER) + 1 -- unindexed messages may be many
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
)
SELECT
    CASE
        WHEN is_small AND (SELECT count(*) FROM found) <= CAST(:candidates_max AS INTEGER)
        THEN (SELECT count(*) FROM found)
    END AS message_count,
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM size LEFT JOIN page ON true LEFT JOIN messages USING (seq)
ORDER BY
    CASE WHEN NOT :is_descending THEN page.ts END,
    CASE WHEN NOT :is_descending THEN page.message_id END,
    page.ts DESC,
    page.message_id DESC;

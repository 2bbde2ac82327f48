-- Reads a page of the messages with a text, and counts them: the index finds candidates, each text
-- is checked, and all are sorted. It gives up when there are more than :candidates_max candidates.
-- Parameters: :q (part of the folded text, 3 characters or more), :candidates_max (up to
--             :few_messages), :few_messages (always the same: a smaller limit may change the plan),
--             :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until, :after_ts,
--             :after_message_id (the page begins after this place), :before_ts, :before_message_id
--             (it ends before this place), :is_descending, :limit, :offset
-- Rows: message_count (NULL when it gave up), message_id, from_msisdn, to_msisdn, ts, text; ordered
--       by (ts, message_id), or the reverse; for an empty page one row whose message_id is NULL
-- Index: texts_by_trigram; the primary key of messages
-- Differs: SQLite searches for the parts of the text, and its plan does not depend on a limit
WITH candidates AS MATERIALIZED (
    SELECT message_id
    FROM texts
    WHERE folded_text
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    LIMIT CAST(:few_messages AS BIGINT) + 1
),
size AS MATERIALIZED (
    SELECT count(*) <= CAST(:candidates_max AS BIGINT) AS is_small FROM candidates
),
found AS MATERIALIZED (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM (
        -- Without ALL: an erased message that was sent again may be in texts and pending, or
        -- pending twice.
        SELECT message_id FROM candidates
        UNION
        SELECT pending.message_id
        FROM pending_texts, unnest(message_ids) AS pending (message_id)
    ) AS candidate JOIN messages USING (message_id)
    WHERE (SELECT is_small FROM size)
        AND strpos(coalesce(folded_text, text), :q) > 0
        AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
),
page AS (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM found
    WHERE (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
        AND (ts, message_id) < (CAST(:before_ts AS TIMESTAMPTZ), CAST(:before_message_id AS TEXT))
    ORDER BY
        CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN ts END,
        CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN message_id END,
        ts DESC,
        message_id DESC
    LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT)
)
SELECT
    CASE WHEN is_small THEN (SELECT count(*) FROM found) END AS message_count,
    message_id,
    from_msisdn,
    to_msisdn,
    ts,
    text
FROM size LEFT JOIN page ON TRUE
ORDER BY
    CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN ts END,
    CASE WHEN NOT CAST(:is_descending AS BOOLEAN) THEN message_id END,
    ts DESC,
    message_id DESC;

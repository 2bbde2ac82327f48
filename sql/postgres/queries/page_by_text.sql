-- A page of the messages with a text, found by its parts of three characters, and how many messages
-- have it. All that have the parts are read, looked at again and sorted: for a text that few have.
-- It gives up, and reads none of them, where more have it than :candidates_max, or :few_messages.
--
-- Parameters: :q            part of the text, folded, of 3 characters or more
--             :few_messages     the same each time: for a few the planner may take another way
--             :candidates_max   up to :few_messages
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :limit, :offset
-- Rows:       message_count (NULL where it gave up), message_id, from_msisdn, to_msisdn, ts, text;
--             ordered by (ts, message_id); where the page is empty, one whose message_id is NULL
-- Index:      by_text; the primary key of messages for the texts and what is not in by_text yet
-- Differs:    SQLite takes the parts as a parameter, and its tail begins at a place; its planner needs no
--             limit that is the same each time
WITH candidates AS MATERIALIZED (
    SELECT message_id
    FROM texts
    WHERE text_folded
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    LIMIT CAST(:few_messages AS BIGINT) + 1
),
size AS MATERIALIZED (
    SELECT count(*) <= CAST(:candidates_max AS BIGINT) AS is_small FROM candidates
),
found AS MATERIALIZED (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM (
        SELECT message_id FROM candidates
        UNION ALL
        SELECT tail.message_id
        FROM unsearched, unnest(message_ids) AS tail (message_id)
    ) AS candidate JOIN messages USING (message_id)
    WHERE (SELECT is_small FROM size)
        AND strpos(coalesce(text_folded, text), :q) > 0
        AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
),
page AS (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM found
    WHERE (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
    ORDER BY ts, message_id
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
ORDER BY ts, message_id;

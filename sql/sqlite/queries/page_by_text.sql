-- A page of the messages with a text, found by its parts of three characters, and how many messages
-- have it. All that have the parts are read, looked at again and sorted: for a text that few have.
-- It gives up where more than :candidates_max have the parts, and reads none of them, or the text.
--
-- Parameters: :match        the parts of :q for by_text: '"abc" AND "bcd"'
--             :q            part of the text, folded, of 3 characters or more
--             :candidates_max
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :limit, :offset
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       message_count (NULL where it gave up), message_id, from_msisdn, to_msisdn, ts, text;
--             ordered by (ts, message_id); where the page is empty, one whose message_id is NULL
-- Index:      by_text; the primary key of messages for the tail and the texts
WITH candidates AS MATERIALIZED (
    SELECT rowid AS seq
    FROM by_text
    WHERE by_text MATCH :match
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
        SELECT seq FROM messages WHERE seq > :indexed_seq
    ) AS candidate CROSS JOIN messages USING (seq) -- in this order, whatever the planner knows
    WHERE (SELECT is_small FROM size)
        AND instr(ifnull(text_folded, text), :q) > 0
        AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
    LIMIT CAST(:candidates_max AS INTEGER) + 1 -- the tail may be long
),
page AS (
    SELECT seq, message_id, ts
    FROM found
    WHERE (ts, message_id) > (:after_ts, :after_message_id)
    ORDER BY ts, message_id
    LIMIT :limit OFFSET :offset
)
SELECT
    CASE
        WHEN is_small AND (SELECT count(*) FROM found) <= CAST(:candidates_max AS INTEGER)
        THEN (SELECT count(*) FROM found)
    END AS message_count,
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM size LEFT JOIN page ON true LEFT JOIN messages USING (seq)
ORDER BY page.ts, page.message_id;

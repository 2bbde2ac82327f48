-- A page of the messages with a text, found by its parts of three characters. All that have them are
-- read, looked at again and sorted: for a text that few have.
--
-- Parameters: :q            part of the text, folded, of 3 characters or more
--             :from_msisdn, :to_msisdn   NULL for any
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this
--             :limit, :offset
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      by_text; the primary key of messages for the texts and what is not in by_text yet
-- Differs:    SQLite takes the parts as a parameter, and its tail begins at a place
WITH found AS MATERIALIZED (
    SELECT message_id
    FROM texts
    WHERE text_folded
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    UNION ALL
    SELECT tail.message_id
    FROM unsearched, unnest(message_ids) AS tail (message_id)
)
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM found JOIN messages USING (message_id)
WHERE strpos(coalesce(text_folded, text), :q) > 0
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
    AND ts < :until
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

-- How many messages have a text, found by its parts of three characters and looked at again.
--
-- Parameters: :q            part of the text, folded, of 3 characters or more
--             :from_msisdn, :to_msisdn   NULL for any
--             :since, :until   since <= ts < until
-- Rows:       one: message_count
-- Index:      by_text; the primary key of messages for the texts and what is not in by_text yet
-- Differs:    SQLite takes the parts as a parameter, its tail begins at a place, and it counts piece by
--             piece, so that no read keeps its log from being moved for long
WITH found AS MATERIALIZED (
    SELECT message_id
    FROM texts
    WHERE text_folded
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    UNION ALL
    SELECT tail.message_id
    FROM unsearched, unnest(message_ids) AS tail (message_id)
)
SELECT count(*) AS message_count
FROM found JOIN messages USING (message_id)
WHERE strpos(coalesce(text_folded, text), :q) > 0
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

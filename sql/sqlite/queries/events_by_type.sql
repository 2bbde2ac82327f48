-- A page of the events of one type, in order: their places and the sizes of their bodies.
-- Parameters: :source (NULL for any), :type, :skips_problems, received_at < :until,
--             :after_received_at, :after_source, :after_event_id (the page begins after this
--             place), :limit
-- Rows: received_at, source, event_id, size; ordered by the first three
-- Index: events_by_type, in its order, for each source
WITH page AS (
    SELECT
        one.value ->> 0 AS received_at, source, one.value ->> 1 AS event_id, one.value ->> 2 AS seq
    FROM sources, json_each((
        SELECT json_group_array(json_array(received_at, event_id, seq))
        FROM (
            SELECT received_at, event_id, seq
            FROM events
            WHERE events.source = sources.source
                AND type = :type
                AND (received_at, event_id) > (
                    :after_received_at + (sources.source < :after_source),
                    iif(sources.source = :after_source, :after_event_id, '')
                )
                AND received_at < :until
                AND (NOT :skips_problems OR problem IS NULL)
            ORDER BY received_at, event_id
            LIMIT :limit
        )
    )) AS one
    WHERE :source IS NULL OR sources.source = :source
    ORDER BY received_at, source, event_id
    LIMIT :limit
)
SELECT page.received_at, page.source, page.event_id, length(body) AS size
FROM page CROSS JOIN events USING (seq)
ORDER BY page.received_at, page.source, page.event_id;

-- A page of the events that have a problem, latest first: their places and the sizes of their bodies.
-- Parameters: :source and :type (NULL for any), received_at >= :since, :before_received_at,
--             :before_source, :before_event_id (the page ends before this place), :limit
-- Rows: received_at, source, event_id, size; ordered by the first three, each descending
-- Index: events_by_problem, in its order, for each source
WITH page AS (
    SELECT
        one.value ->> 0 AS received_at, source, one.value ->> 1 AS event_id, one.value ->> 2 AS seq
    FROM sources, json_each((
        SELECT json_group_array(json_array(received_at, event_id, seq))
        FROM (
            SELECT received_at, event_id, seq
            FROM events
            WHERE events.source = sources.source
                AND problem IS NOT NULL
                AND (received_at, event_id) < (
                    :before_received_at + (sources.source < :before_source),
                    iif(sources.source = :before_source, :before_event_id, '')
                )
                AND received_at >= :since
                AND (:type IS NULL OR type = :type)
            ORDER BY received_at DESC, event_id DESC
            LIMIT :limit
        )
    )) AS one
    WHERE :source IS NULL OR sources.source = :source
    ORDER BY received_at DESC, source DESC, event_id DESC
    LIMIT :limit
)
SELECT page.received_at, page.source, page.event_id, length(body) AS size
FROM page CROSS JOIN events USING (seq)
ORDER BY page.received_at DESC, page.source DESC, page.event_id DESC;

-- A page of events, in order: their places and the sizes of their bodies.
-- Parameters: :source (NULL for any), :skips_problems, received_at < :until, :after_received_at,
--             :after_source, :after_event_id (the page begins after this place), :limit
-- Rows: received_at, source, event_id, size; ordered by the first three
-- Index: events_by_source, in its order, for each source; the UNIQUE one on (source, event_id)
WITH page AS (
    SELECT one.value AS seq
    FROM sources, json_each((
        SELECT json_group_array(seq)
        FROM (
            SELECT seq
            FROM events
            WHERE events.source = sources.source
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
)
SELECT received_at, source, event_id, length(body) AS size
FROM page CROSS JOIN events USING (seq)
ORDER BY received_at, source, event_id
LIMIT :limit;

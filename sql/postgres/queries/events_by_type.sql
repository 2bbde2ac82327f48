-- A page of the events of one type, in order: their places and the sizes of their bodies.
-- Parameters: :source (NULL for any), :type, :skips_problems, received_at < :until,
--             :after_received_at, :after_source, :after_event_id (the page begins after this
--             place), :limit
-- Rows: received_at, source, event_id, size; ordered by the first three
-- Index: events_by_type, in its order, for each source; the primary keys of events and sources
WITH names AS (
    SELECT DISTINCT source
    FROM sources
    WHERE CAST(:source AS TEXT) IS NULL OR source = CAST(:source AS TEXT)
),
page AS (
    SELECT one.received_at, one.source, one.event_id
    FROM names CROSS JOIN LATERAL (
        SELECT received_at, source, event_id
        FROM events
        WHERE events.source = names.source
            AND type = :type
            AND (received_at, event_id) > (
                CAST(:after_received_at AS TIMESTAMPTZ)
                + CASE
                    WHEN names.source < CAST(:after_source AS TEXT) THEN INTERVAL '1 microsecond'
                    ELSE INTERVAL '0'
                END,
                CASE
                    WHEN names.source = CAST(:after_source AS TEXT) THEN CAST(:after_event_id AS TEXT)
                    ELSE ''
                END
            )
            AND received_at < :until
            AND (NOT CAST(:skips_problems AS BOOLEAN) OR problem IS NULL)
        ORDER BY received_at, event_id
        LIMIT CAST(:limit AS BIGINT)
    ) AS one
    ORDER BY received_at, source, event_id
    LIMIT CAST(:limit AS BIGINT)
)
SELECT page.received_at, page.source, page.event_id, octet_length(body) AS size
FROM page JOIN events USING (source, event_id)
ORDER BY page.received_at, page.source, page.event_id;

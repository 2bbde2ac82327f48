-- What is stored of each source: the kept counts.
-- Rows: source, event_count, problem_count, last_received_at (NULL if there is no event any more);
--       ordered by source
-- Index: the primary key of sources, events_by_source
SELECT
    source,
    event_count,
    problem_count,
    (SELECT max(received_at) FROM events WHERE events.source = sources.source) AS last_received_at
FROM sources
ORDER BY source;

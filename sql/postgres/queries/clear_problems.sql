-- Clears the problems of events, and counts them out.
-- Parameters: :sources, :event_ids (arrays with an element for each event)
-- Rows: none
-- Index: the primary keys of events and sources
-- Differs: SQLite has no arrays, and counts by count_events
WITH cleared AS (
    UPDATE events
    SET problem = NULL
    WHERE (source, event_id) IN (
        SELECT source, event_id
        FROM unnest(CAST(:sources AS TEXT[]), CAST(:event_ids AS TEXT[])) AS name (source, event_id)
    )
    AND problem IS NOT NULL
    RETURNING source
)
INSERT INTO sources (source, part, event_count, problem_count)
SELECT source, pg_backend_pid() % 256, 0, -count(*)
FROM cleared
GROUP BY source
ORDER BY source
ON CONFLICT (source, part) DO UPDATE SET
    problem_count = sources.problem_count + excluded.problem_count;

-- Corrects the counts of sources by their difference from the events. Others may store events
-- meanwhile: what they add is right, and waits for nothing.
-- Rows: none
-- Index: the primary keys of events and sources, events_by_problem
WITH differences AS (
    SELECT source, count(*) AS event_count, 0 AS problem_count
    FROM events
    GROUP BY source
    UNION ALL
    SELECT source, 0, count(*)
    FROM events
    WHERE problem IS NOT NULL
    GROUP BY source
    UNION ALL
    SELECT source, -event_count, -problem_count
    FROM sources
)
INSERT INTO sources (source, part, event_count, problem_count)
SELECT source, 0, CAST(sum(event_count) AS BIGINT), CAST(sum(problem_count) AS BIGINT)
FROM differences
GROUP BY source
ORDER BY source
ON CONFLICT (source, part) DO UPDATE SET
    event_count = sources.event_count + excluded.event_count,
    problem_count = sources.problem_count + excluded.problem_count;

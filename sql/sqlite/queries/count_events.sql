-- Adds to the counts of sources.
-- Parameters: :counts (a JSON array of [source, events, problems], each to add, also below 0)
-- Index: the primary key of sources
-- Differs: PostgreSQL has arrays
INSERT INTO sources (source, event_count, problem_count)
SELECT value ->> 0, value ->> 1, value ->> 2
FROM json_each(:counts)
WHERE true
ON CONFLICT (source) DO UPDATE SET
    event_count = event_count + excluded.event_count,
    problem_count = problem_count + excluded.problem_count;

-- By how much the kept counts of sources are wrong, for count_events to add. Others may store events
-- meanwhile: what they add is right.
-- Rows: one: counts (a JSON array of [source, events, problems])
-- Index: the UNIQUE one on (source, event_id), events_by_problem
SELECT json_group_array(json_array(source, event_count, problem_count)) AS counts
FROM (
    SELECT source, sum(event_count) AS event_count, sum(problem_count) AS problem_count
    FROM (
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
    GROUP BY source
);

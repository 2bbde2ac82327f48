-- Stores the events of a batch that are not there yet, and counts them. Of a repeated id the first
-- one wins.
-- Parameters: :sources, :event_ids, :types, :instants, :headers, :content_types, :problems, :bodies
--             (arrays with an element for each event)
-- Rows: one: synchronous_commit, fsync (as insert_messages gives them), created_count, places (in
--       the batch, from 0, of the events that were stored before)
-- Index: the primary keys of events and sources
-- Differs: SQLite has no arrays, and counts by count_events
WITH sent AS (
    SELECT * FROM unnest(
        CAST(:sources AS TEXT[]),
        CAST(:event_ids AS TEXT[]),
        CAST(:types AS TEXT[]),
        CAST(:instants AS TIMESTAMPTZ[]),
        CAST(:headers AS TEXT[]),
        CAST(:content_types AS TEXT[]),
        CAST(:problems AS TEXT[]),
        CAST(:bodies AS BYTEA[])
    ) WITH ORDINALITY AS event
        (source, event_id, type, received_at, headers, content_type, problem, body, number)
),
created AS (
    INSERT INTO events
        (source, event_id, type, received_at, headers, content_type, problem, body)
    SELECT source, event_id, type, received_at, headers, content_type, problem, body
    FROM sent
    -- Batches with common ids insert them in the same order, or they would deadlock.
    ORDER BY source COLLATE "C", event_id COLLATE "C", number
    ON CONFLICT (source, event_id) DO NOTHING
    RETURNING source, event_id, problem
),
counted AS (
    INSERT INTO sources (source, part, event_count, problem_count)
    SELECT source, pg_backend_pid() % 256, count(*), count(problem)
    FROM created
    GROUP BY source
    ORDER BY source
    ON CONFLICT (source, part) DO UPDATE SET
        event_count = sources.event_count + excluded.event_count,
        problem_count = sources.problem_count + excluded.problem_count
)
SELECT
    current_setting('synchronous_commit', true) AS synchronous_commit,
    current_setting('fsync', true) AS fsync,
    (SELECT count(*) FROM created) AS created_count,
    ARRAY(
        SELECT number - 1
        FROM sent
        WHERE (source, event_id) NOT IN (SELECT source, event_id FROM created)
        ORDER BY number
    ) AS places;

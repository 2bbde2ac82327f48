-- Stores the events of a batch that are not there yet. Of a repeated id the first one wins.
-- Parameters: :batch (a JSON array of [source, event_id, type, received_at, headers, content_type,
--             problem, start, size]), :bodies (all bodies in one: each begins at its start, from 1)
-- Index: the UNIQUE one on (source, event_id)
-- Differs: PostgreSQL has arrays, counts in the same statement, and tells which were there
INSERT INTO events
    (source, event_id, type, received_at, headers, content_type, problem, body)
SELECT
    value ->> 0,
    value ->> 1,
    value ->> 2,
    value ->> 3,
    value ->> 4,
    value ->> 5,
    value ->> 6,
    ifnull(substr(:bodies, value ->> 7, value ->> 8), x'') -- NULL where all bodies are empty
FROM json_each(:batch)
WHERE true
ON CONFLICT (source, event_id) DO NOTHING;

-- Clears the problems of events.
-- Parameters: :names (a JSON array of [source, event_id])
-- Rows: source (one for each event that had a problem)
-- Index: the UNIQUE one on (source, event_id)
-- Differs: PostgreSQL has arrays, and counts in the same statement
UPDATE events
SET problem = NULL
WHERE (source, event_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:names))
    AND problem IS NOT NULL
RETURNING source;

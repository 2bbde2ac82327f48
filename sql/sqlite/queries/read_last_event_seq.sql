-- The last event; 0 if there is none.
-- Rows: one: seq
-- Index: the primary key of events
SELECT ifnull(max(seq), 0) AS seq FROM events;

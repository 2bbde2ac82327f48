-- Writes durably, for the readiness probe.
-- Parameters: none
-- Rows: none
-- Index: the primary key of probe
-- Differs: the time is the server's
INSERT INTO probe (id, written_at) VALUES (1, now())
ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at;

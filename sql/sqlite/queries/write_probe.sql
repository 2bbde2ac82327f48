-- A real write, durable like any other: the readiness probe.
--
-- Parameters: :now  microseconds since 1970
-- Rows:       none
-- Index:      the primary key of probe, which has one row
INSERT INTO probe (id, written_at) VALUES (1, :now)
ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at;

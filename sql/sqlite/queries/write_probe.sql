-- The readiness probe: a write as durable as any other.
-- Parameters: :now (microseconds since 1970)
INSERT INTO probe (id, written_at) VALUES (1, :now)
ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at;

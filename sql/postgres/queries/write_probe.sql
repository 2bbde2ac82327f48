-- Writes durably, for the readiness probe.
-- Rows: one: synchronous_commit, fsync (the settings that make the commit durable)
-- Index: the primary key of probe
-- Differs: the time is the server's, and here the settings can change while the service runs
INSERT INTO probe (id, written_at) VALUES (1, now())
ON CONFLICT (id) DO UPDATE SET written_at = excluded.written_at
RETURNING
    current_setting('synchronous_commit', true) AS synchronous_commit,
    current_setting('fsync', true) AS fsync;

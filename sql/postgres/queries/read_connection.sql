-- Who answers this connection, and whether what it commits is on stable storage.
--
-- Parameters: none
-- Rows:       one: synchronous_commit, fsync (NULL where the server has no such setting), is_writable,
--             backend_pid (another than the connection was given where a pooler stands between)
-- Differs:    each database has other settings that durability hangs on
SELECT
    current_setting('synchronous_commit', true) AS synchronous_commit,
    current_setting('fsync', true) AS fsync,
    current_setting('transaction_read_only') = 'off' AS is_writable,
    pg_backend_pid() AS backend_pid;

-- Reads what the service must know of a connection.
-- Rows: one: synchronous_commit, fsync (NULL on a server without the setting), is_writable,
--       backend_pid (behind a pooler not the process that accepted the connection)
-- Differs: other settings make a commit durable
SELECT
    current_setting('synchronous_commit', true) AS synchronous_commit,
    current_setting('fsync', true) AS fsync,
    current_setting('transaction_read_only') = 'off' AS is_writable,
    pg_backend_pid() AS backend_pid;

-- How large the database is, its indexes included.
--
-- Parameters: none
-- Rows:       one: database_bytes
SELECT pg_database_size(current_database()) AS database_bytes;

-- Reads the size of the database with its indexes.
-- Rows: one: database_bytes
SELECT pg_database_size(current_database()) AS database_bytes;

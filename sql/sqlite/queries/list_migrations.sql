-- The migrations that this database has had, in their order.
-- Rows: number, name, digest (SHA-256 of the file, hexadecimal)
SELECT number, name, digest
FROM migrations
ORDER BY number;

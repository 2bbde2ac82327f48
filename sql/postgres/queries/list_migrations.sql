-- Lists the migrations that this database has had, in order.
-- Rows: number, name, digest (SHA-256 of the file, hexadecimal)
SELECT number, name, digest
FROM migrations
WHERE number > 0
ORDER BY number;

-- The migrations that this database has had, in their order.
--
-- Parameters: none
-- Rows:       number, name, digest (SHA-256 of the file, hexadecimal)
-- Index:      none: the table is short, and all of it is wanted
SELECT number, name, digest
FROM migrations
WHERE number > 0
ORDER BY number;

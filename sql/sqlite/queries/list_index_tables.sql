-- The tables of the index file, none if it is new. Run by the connection that writes it.
-- Rows: name
SELECT name
FROM sqlite_schema
WHERE type = 'table';

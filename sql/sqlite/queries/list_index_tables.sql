-- The tables of the index file, asked of the connection that fills it: none where it is new.
--
-- Parameters: none
-- Rows:       name
SELECT name
FROM sqlite_schema
WHERE type = 'table';

-- Waits until nobody else migrates this database, and keeps all others waiting to the end of the
-- transaction.
--
-- Parameters: none
-- Rows:       one: number
-- Index:      the primary key of migrations
SELECT number
FROM migrations
WHERE number = 0
FOR UPDATE;

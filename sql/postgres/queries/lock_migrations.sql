-- Waits until no other instance migrates this database, and locks it until the transaction ends.
-- Rows: one: number
-- Index: the primary key of migrations
SELECT number
FROM migrations
WHERE number = 0
FOR UPDATE;

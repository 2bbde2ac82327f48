-- Locks the counts as lock_totals does, and waits for another transaction that has the lock.
-- Rows: one: id
-- Index: the primary key of totals
SELECT id
FROM totals
WHERE id = 1
FOR UPDATE;

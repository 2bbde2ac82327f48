-- Locks the counts until the transaction ends. Its holder may add to the counts, discard pending
-- texts or make the index of texts.
-- Rows: one, or none when another transaction has the lock: id
-- Index: the primary key of totals
SELECT id
FROM totals
WHERE id = 1
FOR UPDATE SKIP LOCKED;

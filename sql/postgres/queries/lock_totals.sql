-- Makes sure that nobody else adds to the counts, discards notes or makes the index of texts, to the
-- end of the transaction; no row where somebody does.
--
-- Parameters: none
-- Rows:       one, or none: id
-- Index:      the primary key of totals, which has one row
SELECT id
FROM totals
WHERE id = 1
FOR UPDATE SKIP LOCKED;

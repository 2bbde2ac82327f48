-- The version of fold() that all texts have been through.
-- Rows: one: version
SELECT version
FROM folding
WHERE id = 1;

-- The row that whoever migrates locks: the one with the number 0, which is no migration.
--
-- Parameters: none
-- Rows:       none
-- Index:      the primary key of migrations
INSERT INTO migrations (number, name, digest, applied_at) VALUES (0, 'lock', '', now())
ON CONFLICT (number) DO NOTHING;

-- Inserts row 0 of migrations, which lock_migrations locks.
-- Index: the primary key of migrations
INSERT INTO migrations (number, name, digest, applied_at) VALUES (0, 'lock', '', now())
ON CONFLICT (number) DO NOTHING;

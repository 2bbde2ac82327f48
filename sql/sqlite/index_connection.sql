-- Settings of the connection that writes the index file.

PRAGMA journal_mode = WAL;
-- Syncs at checkpoints only: power loss may cost the last transactions, never the consistency.
PRAGMA synchronous = NORMAL;
-- 64 MiB: a page that many batches write is copied into the file once.
PRAGMA wal_autocheckpoint = 16000;
PRAGMA journal_size_limit = 67108864;
PRAGMA busy_timeout = 5000;
PRAGMA cache_size = -16384; -- 16 MiB
PRAGMA temp_store = MEMORY;
PRAGMA mmap_size = 0;

-- Settings of every connection to the database, outside any transaction. The service reads
-- journal_mode and synchronous back (read_connection), and refuses to start with others.

PRAGMA journal_mode = WAL;
-- A commit returns after fsync: an acknowledged message survives power loss.
PRAGMA synchronous = FULL;
-- No commit checkpoints, since SQLite would not tell if that failed: sqlite/checkpoints.py does.
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 67108864; -- 64 MiB, after a checkpoint
PRAGMA busy_timeout = 2000; -- another process may hold the write lock
PRAGMA cache_size = -8192; -- 8 MiB
PRAGMA temp_store = MEMORY;
-- With memory-mapped I/O, a disk error would kill the process.
PRAGMA mmap_size = 0;
-- The schema of a file that somebody else wrote can't run functions with side effects.
PRAGMA trusted_schema = OFF;

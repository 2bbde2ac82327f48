-- Settings of every connection, run once when it opens, outside any transaction (inside one,
-- journal_mode does nothing, silently). queries/read_connection.sql reads them back; the service
-- refuses to start when one of them did not take.

-- Readers never wait for the writer, nor the writer for readers.
PRAGMA journal_mode = WAL;

-- A commit returns after fsync (or fdatasync, as SQLite was built): what is acknowledged survives the
-- loss of power.
PRAGMA synchronous = FULL;

-- The service moves the log's pages into the database twice a second, while nobody waits for it, and
-- before it stores more where the log has become very long. A commit never does: SQLite tells nobody
-- when that fails (service/store/sqlite/checkpoints.py).
PRAGMA wal_autocheckpoint = 0;

-- After a checkpoint, a log that has grown longer is cut back to 64 MiB.
PRAGMA journal_size_limit = 67108864;

-- Another process (a shell, a backup) may hold the write lock for up to 2 seconds.
PRAGMA busy_timeout = 2000;

-- 8 MiB of pages a connection.
PRAGMA cache_size = -8192;

-- Sorting never needs a disk that may be full or read-only.
PRAGMA temp_store = MEMORY;

-- With memory-mapped I/O, a disk error would kill the process. (Some builds have none of it.)
PRAGMA mmap_size = 0;

-- A database file that somebody else wrote can't make its schema run functions with side effects.
PRAGMA trusted_schema = OFF;

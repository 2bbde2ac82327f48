-- Settings of every connection, run once when it opens, outside any transaction (inside one,
-- journal_mode does nothing, silently). queries/read_connection.sql reads them back; the service
-- refuses to start when one of them did not take.

-- Readers never wait for the writer, nor the writer for readers.
PRAGMA journal_mode = WAL;

-- A commit returns after fdatasync: what is acknowledged survives the loss of power.
PRAGMA synchronous = FULL;

-- The commit that takes the log past this many pages (4 KiB each, 16 MiB in all) writes them back
-- to the database. Fewer: more of that work. More: less often, but the commit waits longer.
PRAGMA wal_autocheckpoint = 4000;

-- After a checkpoint, a log that a long reader made grow is cut back to 64 MiB.
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

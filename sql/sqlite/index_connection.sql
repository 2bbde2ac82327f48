-- Settings of the connection that writes the index file, run once when it opens.

PRAGMA journal_mode = WAL;

-- The index can be made again from the messages, so that it waits for the disk at checkpoints only:
-- the loss of power may cost its last transactions, but never its consistency.
PRAGMA synchronous = NORMAL;

-- 64 MiB: a page that slice after slice writes again goes into the file once.
PRAGMA wal_autocheckpoint = 16000;

PRAGMA journal_size_limit = 67108864;

PRAGMA busy_timeout = 5000;

-- 16 MiB of pages: a slice of messages is spread over many.
PRAGMA cache_size = -16384;

PRAGMA temp_store = MEMORY;

PRAGMA mmap_size = 0;

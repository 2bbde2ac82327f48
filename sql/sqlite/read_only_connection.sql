-- Settings of a connection that must change nothing: that of an export. The file may be in any
-- journal mode, as a copy of a database is.

PRAGMA busy_timeout = 2000; -- another process may be recovering the WAL
PRAGMA cache_size = -8192; -- 8 MiB
PRAGMA temp_store = MEMORY;
-- With memory-mapped I/O, a disk error would kill the process.
PRAGMA mmap_size = 0;
-- The schema of a file that somebody else wrote can't run functions with side effects.
PRAGMA trusted_schema = OFF;

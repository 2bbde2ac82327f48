-- Reads every page of the database, and compares each index with its table: a start does this when
-- the WAL may be that of another database.
-- Rows: one: integrity_check ('ok', or what is wrong)
PRAGMA integrity_check (1);

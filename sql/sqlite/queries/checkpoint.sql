-- Copies the WAL's frames into the database file, as far as possible without waiting.
-- Rows: one: busy (0 or 1), log (frames in the WAL), checkpointed (frames copied)
PRAGMA wal_checkpoint (PASSIVE);

-- Moves what the log (-wal) holds into the database file, as far as it can without waiting.
--
-- Parameters: none
-- Rows:       one: busy (0 or 1), log (frames in the log), checkpointed (frames moved)
PRAGMA wal_checkpoint (PASSIVE);

-- Begins to take the slice into the index. DEFERRED, since IMMEDIATE would hold a snapshot of the
-- messages, too; its first statement writes, and waits for the lock.
--
-- Parameters: none
-- Rows:       none
BEGIN DEFERRED;

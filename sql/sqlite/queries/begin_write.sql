-- Begins a write of several statements. The lock is taken at once: a transaction that begins as a
-- reader and turns to writing can fail with "database is locked" without waiting.
--
-- Parameters: none
-- Rows:       none
BEGIN IMMEDIATE;

-- What connection.sql asked for, read back from this connection.
--
-- Parameters: none
-- Rows:       one: journal_mode ('wal'), synchronous (2 is FULL)
SELECT journal_mode, synchronous
FROM pragma_journal_mode, pragma_synchronous;

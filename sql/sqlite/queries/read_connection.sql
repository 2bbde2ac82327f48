-- Settings of this connection, to compare with those that connection.sql asked for.
-- Rows: one: journal_mode ('wal'), synchronous (2 is FULL)
SELECT journal_mode, synchronous
FROM pragma_journal_mode, pragma_synchronous;

-- Reads every page of the database and checks its structure: about a second for a million messages.
-- Rows: one: quick_check ('ok', or what is wrong)
PRAGMA quick_check (1);

-- Reads every page of the database and checks its structure: a minute for ten million messages.
-- Rows: one: quick_check ('ok', or what is wrong)
PRAGMA quick_check (1);

-- Puts another file beside this one: its tables are then there under their own names.
--
-- Parameters: :uri  file:…?mode=ro (SQLite's URI file names)
-- Rows:       none
ATTACH DATABASE :uri AS attached;

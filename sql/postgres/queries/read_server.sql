-- Reads what the service must know of the server and the database.
-- Rows: one: version, encoding (of the database; NULL when the server does not say), has_trigrams
--       (whether pg_trgm is available), has_texts (whether search.sql has run here)
SELECT
    version() AS version,
    current_setting('server_encoding', true) AS encoding,
    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') AS has_trigrams,
    to_regclass('texts') IS NOT NULL AS has_texts;

-- What the server is, what its texts are encoded in, and whether it can index parts of them.
--
-- Parameters: none
-- Rows:       one: version, encoding (of the database; NULL where the server does not say),
--             has_trigrams, has_texts (whether search.sql has been run here)
SELECT
    version() AS version,
    current_setting('server_encoding', true) AS encoding,
    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') AS has_trigrams,
    to_regclass('texts') IS NOT NULL AS has_texts;

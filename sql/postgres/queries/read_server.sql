-- What the server is, and whether it can index parts of texts.
--
-- Parameters: none
-- Rows:       one: version, has_trigrams, has_texts (whether search.sql has been run here)
SELECT
    version() AS version,
    EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm') AS has_trigrams,
    to_regclass('texts') IS NOT NULL AS has_texts;

-- Takes the texts of the slice into the search index.
--
-- Parameters: none
-- Rows:       none
INSERT INTO by_text (rowid, text_folded)
SELECT seq, text_folded
FROM slice
WHERE text_folded IS NOT NULL;

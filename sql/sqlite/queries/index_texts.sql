-- Adds the batch to the index of texts.
INSERT INTO texts (rowid, text_folded)
SELECT seq, text_folded
FROM batch
WHERE text_folded IS NOT NULL;

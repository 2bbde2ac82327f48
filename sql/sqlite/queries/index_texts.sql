-- Adds the batch to the index of texts.
INSERT INTO texts (rowid, folded_text)
SELECT seq, folded_text
FROM batch
WHERE folded_text IS NOT NULL;

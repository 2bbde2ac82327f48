-- Empties the batch.
DELETE FROM batch;

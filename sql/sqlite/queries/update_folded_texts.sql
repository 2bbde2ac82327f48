-- Replaces the folded texts of some messages.
-- Parameters: :batch (a JSON array of [seq, folded_text])
-- Index: the primary key of messages
-- Differs: SQLite has no arrays
UPDATE messages
SET folded_text = changed.value ->> 1
FROM json_each(:batch) AS changed
WHERE messages.seq = changed.value ->> 0;

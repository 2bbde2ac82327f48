-- Takes the slice into by_ts, in its order, so that a page is written once.
--
-- Parameters: none
-- Rows:       none
INSERT INTO by_ts (ts, message_id, seq)
SELECT ts, message_id, seq
FROM slice
ORDER BY ts, message_id;

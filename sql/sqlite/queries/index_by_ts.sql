-- Adds the batch to messages_by_ts, in its order, so that each of its pages is written once.
-- REPLACE: others may have deleted a message that was then sent again.
INSERT OR REPLACE INTO messages_by_ts (ts, message_id, seq)
SELECT ts, message_id, seq
FROM batch
ORDER BY ts, message_id;

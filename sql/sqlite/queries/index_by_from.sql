-- Adds the batch to messages_by_from, in its order.
-- REPLACE: others may have deleted a message that was then sent again.
INSERT OR REPLACE INTO messages_by_from (from_msisdn, ts, message_id, to_msisdn, seq)
SELECT from_msisdn, ts, message_id, to_msisdn, seq
FROM batch
ORDER BY from_msisdn, ts, message_id;

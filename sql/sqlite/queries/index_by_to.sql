-- Adds the batch to messages_by_to, in its order.
-- REPLACE: others may have deleted a message that was then sent again.
INSERT OR REPLACE INTO messages_by_to (to_msisdn, ts, message_id, from_msisdn, seq)
SELECT to_msisdn, ts, message_id, from_msisdn, seq
FROM batch
ORDER BY to_msisdn, ts, message_id;

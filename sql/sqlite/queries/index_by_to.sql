-- Adds the batch to messages_by_to, in its order.
INSERT INTO messages_by_to (to_msisdn, ts, message_id, from_msisdn, seq)
SELECT to_msisdn, ts, message_id, from_msisdn, seq
FROM batch
ORDER BY to_msisdn, ts, message_id;

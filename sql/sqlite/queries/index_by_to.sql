-- Takes the slice into by_to, in its order.
--
-- Parameters: none
-- Rows:       none
INSERT INTO by_to (to_msisdn, ts, message_id, from_msisdn, seq)
SELECT to_msisdn, ts, message_id, from_msisdn, seq
FROM slice
ORDER BY to_msisdn, ts, message_id;

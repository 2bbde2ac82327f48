-- Takes the slice into by_from, in its order.
--
-- Parameters: none
-- Rows:       none
INSERT INTO by_from (from_msisdn, ts, message_id, to_msisdn, seq)
SELECT from_msisdn, ts, message_id, to_msisdn, seq
FROM slice
ORDER BY from_msisdn, ts, message_id;

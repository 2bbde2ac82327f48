-- Adds the slice to the counts of their senders.
--
-- Parameters: none
-- Rows:       none
-- Index:      the primary key of senders
INSERT INTO senders (from_msisdn, message_count)
SELECT from_msisdn, count(*)
FROM slice
GROUP BY from_msisdn
ON CONFLICT (from_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

-- Adds the slice to the counts of their recipients.
--
-- Parameters: none
-- Rows:       none
-- Index:      the primary key of recipients
INSERT INTO recipients (to_msisdn, message_count)
SELECT to_msisdn, count(*)
FROM slice
GROUP BY to_msisdn
ON CONFLICT (to_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

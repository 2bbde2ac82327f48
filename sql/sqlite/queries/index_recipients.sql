-- Adds the batch to the counts of the recipients.
INSERT INTO recipients (to_msisdn, message_count)
SELECT to_msisdn, count(*)
FROM batch
GROUP BY to_msisdn
ON CONFLICT (to_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

-- Adds the batch to the counts of the senders.
INSERT INTO senders (from_msisdn, message_count)
SELECT from_msisdn, count(*)
FROM batch
GROUP BY from_msisdn
ON CONFLICT (from_msisdn) DO UPDATE SET message_count = message_count + excluded.message_count;

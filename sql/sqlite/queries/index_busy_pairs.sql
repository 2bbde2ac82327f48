-- Adds the slice to the counts of pairs that were busy before it. (Who becomes busy by it is counted by a
-- trigger: index.sql.)
--
-- Parameters: none
-- Rows:       none
-- Index:      the primary key of busy_pairs
INSERT INTO busy_pairs (from_msisdn, to_msisdn, message_count)
SELECT from_msisdn, to_msisdn, count(*)
FROM slice
WHERE from_msisdn IN (SELECT from_msisdn FROM busy_senders)
    AND to_msisdn IN (SELECT to_msisdn FROM busy_recipients)
GROUP BY from_msisdn, to_msisdn
ON CONFLICT (from_msisdn, to_msisdn)
    DO UPDATE SET message_count = message_count + excluded.message_count;

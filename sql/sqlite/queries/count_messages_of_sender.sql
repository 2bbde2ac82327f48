-- How many messages one sender has in all: the kept count.
--
-- Parameters: :from_msisdn
-- Rows:       one, or none for an unknown sender: messages
-- Index:      the primary key of senders
SELECT messages
FROM senders
WHERE from_msisdn = :from_msisdn;

-- The ten senders with most messages.
--
-- Parameters: none
-- Rows:       from_msisdn, messages; by messages, most first, then by number
-- Index:      senders_by_messages, in its own order
SELECT from_msisdn, messages
FROM senders
ORDER BY messages DESC, from_msisdn
LIMIT 10;

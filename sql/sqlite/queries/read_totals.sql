-- The kept counts of all messages.
--
-- Parameters: none
-- Rows:       one: messages, senders, first_ts, last_ts (NULL while there are no messages)
-- Index:      the primary key of totals, which has one row
SELECT messages, senders, first_ts, last_ts
FROM totals
WHERE id = 1;

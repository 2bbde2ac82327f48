-- How many messages one sender has.
-- Parameters: :from_msisdn
-- Rows: one: message_count
-- Index: the primary keys of senders and messages
SELECT
    ifnull((SELECT message_count FROM senders WHERE from_msisdn = :from_msisdn), 0)
    + (SELECT count(*) FROM unindexed_messages WHERE from_msisdn = :from_msisdn)
    AS message_count;

-- How many messages one recipient has.
-- Parameters: :to_msisdn
-- Rows: one: message_count
-- Index: the primary keys of recipients and messages
SELECT
    ifnull((SELECT message_count FROM recipients WHERE to_msisdn = :to_msisdn), 0)
    + (SELECT count(*) FROM unindexed_messages WHERE to_msisdn = :to_msisdn)
    AS message_count;

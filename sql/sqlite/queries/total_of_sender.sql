-- How many messages one sender has in all: the kept count, and the tail.
--
-- Parameters: :from_msisdn
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       one: message_count
-- Index:      the primary key of senders; the primary key of messages for the tail
SELECT
    ifnull((SELECT message_count FROM senders WHERE from_msisdn = :from_msisdn), 0)
    + (SELECT count(*) FROM messages WHERE seq > :indexed_seq AND from_msisdn = :from_msisdn)
    AS message_count;

-- Adds a slice of messages to the totals. (A trigger counts the senders.)
--
-- Parameters: :after_seq, :last_seq   the slice: after_seq < seq <= last_seq
-- Rows:       none
-- Index:      the primary key of messages
UPDATE totals
SET (message_count, first_ts, last_ts) = (
    SELECT
        totals.message_count + count(*),
        min(ifnull(totals.first_ts, min(ts)), min(ts)),
        max(ifnull(totals.last_ts, max(ts)), max(ts))
    FROM messages
    WHERE seq > :after_seq AND seq <= :last_seq
)
WHERE id = 1;

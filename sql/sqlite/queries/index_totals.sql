-- Adds the batch to the totals. A trigger counts the senders.
UPDATE totals
SET (message_count, first_ts, last_ts) = (
    SELECT
        totals.message_count + count(*),
        min(ifnull(totals.first_ts, min(ts)), min(ts)),
        max(ifnull(totals.last_ts, max(ts)), max(ts))
    FROM batch
)
WHERE id = 1;

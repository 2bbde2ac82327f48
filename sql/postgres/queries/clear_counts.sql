-- Deletes the counts of all numbers, before recount counts them again. The transaction must hold
-- the lock of wait_for_totals. Readers see the old counts until it commits.
-- Rows: none
WITH cleared_recipients AS (
    DELETE FROM recipients
)
DELETE FROM senders;

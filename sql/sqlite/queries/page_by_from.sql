-- A page of one sender's messages, without those that others have deleted.
-- Parameters: :from_msisdn, :to_msisdn (NULL for any),
--             :after_ts, :after_message_id (the page begins after this place), ts < :until,
--             :q (part of the text, folded; '' for any), :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index: the primary key of messages_by_from, in its order
SELECT one.message_id, one.from_msisdn, one.to_msisdn, one.ts, messages.text
FROM all_by_from AS one
CROSS JOIN messages USING (seq) -- CROSS: in this order, whatever the planner knows
WHERE one.from_msisdn = :from_msisdn
    AND (:to_msisdn IS NULL OR one.to_msisdn = :to_msisdn)
    AND (one.ts, one.message_id) > (:after_ts, :after_message_id)
    AND one.ts < :until
    AND (:q = '' OR instr(ifnull(text_folded, text), :q) > 0)
ORDER BY one.ts, one.message_id
LIMIT :limit OFFSET :offset;

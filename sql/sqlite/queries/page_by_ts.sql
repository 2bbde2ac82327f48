-- A page of all messages in order.
-- Parameters: :after_ts, :after_message_id (the page begins after this place), ts < :until,
--             :q (part of the text, folded; '' for any), :limit, :offset
-- Rows: message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index: the primary key of messages_by_ts, in its order
WITH page AS (
    SELECT ts, message_id, seq
    FROM all_by_ts AS one
    WHERE (ts, message_id) > (:after_ts, :after_message_id)
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = one.seq
                    AND instr(ifnull(text_folded, text), :q) > 0
            )
        )
    ORDER BY ts, message_id
    LIMIT :limit OFFSET :offset
)
SELECT
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM page
CROSS JOIN messages USING (seq) -- CROSS: in this order, whatever the planner knows
ORDER BY page.ts, page.message_id;

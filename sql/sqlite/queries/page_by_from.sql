-- A page of one sender's messages, in their order.
--
-- Parameters: :from_msisdn
--             :to_msisdn    NULL for any
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this, in microseconds since 1970
--             :q            part of the text, folded; '' for any
--             :limit, :offset
--             :copied_seq   how far the copy of the tail goes (copy_tail, in the same snapshot)
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      the primary key of by_from; the primary key of messages for the texts
WITH tail AS (
    SELECT seq, message_id, from_msisdn, to_msisdn, ts FROM tail_copy
    UNION ALL
    SELECT seq, message_id, from_msisdn, to_msisdn, ts FROM messages WHERE seq > :copied_seq
),
page AS (
    SELECT ts, message_id, seq
    FROM by_from AS indexed_message
    WHERE from_msisdn = :from_msisdn
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) > (:after_ts, :after_message_id)
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = indexed_message.seq
                    AND instr(ifnull(text_folded, text), :q) > 0
            )
        )
    UNION ALL
    SELECT ts, message_id, seq
    FROM tail
    WHERE from_msisdn = :from_msisdn
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) > (:after_ts, :after_message_id)
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = tail.seq
                    AND instr(ifnull(text_folded, text), :q) > 0
            )
        )
    ORDER BY ts, message_id
    LIMIT :limit OFFSET :offset
)
SELECT
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM page CROSS JOIN messages USING (seq) -- in this order, whatever the planner knows
ORDER BY page.ts, page.message_id;

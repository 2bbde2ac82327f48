-- A page of all messages, in their order.
--
-- Parameters: :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this, in microseconds since 1970
--             :q            part of the text, folded; '' for any
--             :limit, :offset
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      the primary key of by_ts; the primary key of messages for the tail and the texts
WITH page AS (
    SELECT ts, message_id, seq
    FROM by_ts AS indexed_message
    WHERE (ts, message_id) > (:after_ts, :after_message_id)
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
    FROM messages
    WHERE seq > :indexed_seq
        AND (ts, message_id) > (:after_ts, :after_message_id)
        AND ts < :until
        AND (:q = '' OR instr(ifnull(text_folded, text), :q) > 0)
    ORDER BY ts, message_id
    LIMIT :limit OFFSET :offset
)
SELECT
    messages.message_id, messages.from_msisdn, messages.to_msisdn, messages.ts, messages.text
FROM page JOIN messages USING (seq)
ORDER BY page.ts, page.message_id;

-- A page of all messages.
--
-- Parameters: :after_ts, :after_message_id   the page begins behind this place in the order;
--                 since an instant is (that instant, '')
--             :until     ts before this, in microseconds since 1970
--             :q         part of the text, folded; '' for any
--             :limit, :offset
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      messages_by_ts
--
-- With :q the messages of the range are read one by one until the page is full, and all of them where
-- few match: no index knows the parts of a text.
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages INDEXED BY messages_by_ts
WHERE (ts, message_id) > (:after_ts, :after_message_id)
    AND ts < :until
    AND (:q = '' OR instr(ifnull(text_folded, text), :q) > 0)
ORDER BY ts, message_id
LIMIT :limit OFFSET :offset;

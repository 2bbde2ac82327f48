-- A page of the messages with a text that is too short for by_text: all messages are read, in the
-- order they lie in, and what has it is sorted. For a text that few have.
--
-- Parameters: :q            part of the text, folded
--             :from_msisdn, :to_msisdn   NULL for any
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this, in microseconds since 1970
--             :limit, :offset
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      none
-- Scan:       one message after the other is read some 20 times as fast as each by its place in an
--             index; so that is what it takes where most would have to be looked at
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE instr(ifnull(text_folded, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND (ts, message_id) > (:after_ts, :after_message_id)
    AND ts < :until
ORDER BY ts, message_id
LIMIT :limit OFFSET :offset;

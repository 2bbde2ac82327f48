-- A page of the messages with a text, found by its parts of three characters. All that have them are
-- read, looked at again and sorted: for a text that few have.
--
-- Parameters: :match        the parts of :q for by_text: '"abc" AND "bcd"'
--             :q            part of the text, folded, of 3 characters or more
--             :from_msisdn, :to_msisdn   NULL for any
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this, in microseconds since 1970
--             :limit, :offset
--             :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      by_text; the primary key of messages for the tail and the texts
WITH found AS (
    SELECT rowid AS seq FROM by_text WHERE by_text MATCH :match
    UNION ALL
    SELECT seq FROM messages WHERE seq > :indexed_seq
)
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM found JOIN messages USING (seq)
WHERE instr(ifnull(text_folded, text), :q) > 0
    AND (:from_msisdn IS NULL OR from_msisdn = :from_msisdn)
    AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
    AND (ts, message_id) > (:after_ts, :after_message_id)
    AND ts < :until
ORDER BY ts, message_id
LIMIT :limit OFFSET :offset;

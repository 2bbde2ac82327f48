-- A page of one sender's messages, in their order.
--
-- Parameters: :from_msisdn
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this
--             :q            part of the text, folded; '' for any
--             :limit, :offset
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      by_from
-- Differs:    SQLite has an index beside the messages, and a tail that it lacks; it takes
--             :to_msisdn here, too
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM messages
WHERE from_msisdn = :from_msisdn
    AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
    AND ts < :until
    AND (CAST(:q AS TEXT) = '' OR strpos(coalesce(text_folded, text), :q) > 0)
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

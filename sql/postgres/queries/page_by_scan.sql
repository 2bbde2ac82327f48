-- A page of the messages with a text that no index serves: all messages are read, in the order they
-- lie in, and what has it is sorted. For a text that few have.
--
-- Parameters: :q            part of the text, folded
--             :from_msisdn, :to_msisdn   NULL for any
--             :after_ts, :after_message_id   the page begins behind this place in the order;
--                           since an instant is (that instant, '')
--             :until        ts before this
--             :limit, :offset
-- Rows:       message_id, from_msisdn, to_msisdn, ts, text; ordered by (ts, message_id)
-- Index:      none
-- Scan:       one message after the other is read many times as fast as each by its place in an
--             index; so that is what it takes where most would have to be looked at
WITH found AS MATERIALIZED (
    SELECT message_id, from_msisdn, to_msisdn, ts, text
    FROM messages
    WHERE strpos(coalesce(text_folded, text), :q) > 0
        AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
        AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) > (CAST(:after_ts AS TIMESTAMPTZ), CAST(:after_message_id AS TEXT))
        AND ts < :until
)
SELECT message_id, from_msisdn, to_msisdn, ts, text
FROM found
ORDER BY ts, message_id
LIMIT CAST(:limit AS BIGINT) OFFSET CAST(:offset AS BIGINT);

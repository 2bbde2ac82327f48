-- How many messages one sender has in a range, or with a text.
--
-- Parameters: :from_msisdn
--             :since, :until   since <= ts < until, in microseconds since 1970
--             :q         part of the text, folded; '' for any
-- Rows:       one: messages
-- Index:      messages_by_from
--
-- With :q all messages of the range are read: no index knows the parts of a text.
SELECT count(*) AS messages
FROM messages INDEXED BY messages_by_from
WHERE from_msisdn = :from_msisdn
    AND ts >= :since
    AND ts < :until
    AND (:q = '' OR instr(ifnull(text_folded, text), :q) > 0);

-- Counts one sender's messages. In two parts: the view takes twice as long.
-- Parameters: :from_msisdn, :to_msisdn (NULL for any), :since <= ts < :until,
--             :q (part of the text, folded; '' for any)
-- Rows: one: message_count
-- Index: the primary key of messages_by_from; that of messages for the texts
SELECT (
    SELECT count(*)
    FROM messages_by_from AS one
    WHERE from_msisdn = :from_msisdn
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
        AND (
            :q = ''
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = one.seq
                    AND instr(ifnull(folded_text, text), :q) > 0
            )
        )
) + (
    SELECT count(*)
    FROM unindexed_messages
    WHERE from_msisdn = :from_msisdn
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND ts >= :since
        AND ts < :until
        AND (:q = '' OR instr(ifnull(folded_text, text), :q) > 0)
) AS message_count;

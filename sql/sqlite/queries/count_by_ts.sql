-- Counts the messages of a range. In two parts: the view takes twice as long.
-- Parameters: :since <= ts < :until, :q (part of the text, folded; '' for any)
-- Rows: one: message_count
-- Index: the primary key of messages_by_ts; that of messages for the texts
SELECT (
    SELECT count(*)
    FROM messages_by_ts AS one
    WHERE ts >= :since
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
    WHERE ts >= :since
        AND ts < :until
        AND (:q = '' OR instr(ifnull(folded_text, text), :q) > 0)
) AS message_count;

-- A page of one sender's messages, latest first.
-- Parameters: :from_msisdn, :to_msisdn (NULL for any), :before_ts, :before_message_id (the page
--             ends before this place), ts >= :since, :q (part of the text, folded; '' for any),
--             :limit, :offset, :skips_deleted (0 is cheaper: an indexed message may then be
--             deleted)
-- Rows: message_id, from_msisdn (NULL if the message is deleted), to_msisdn, ts, text; ordered by
--       (ts, message_id), descending, which are those of the index
-- Index: the primary key of messages_by_from, read backwards
-- Differs: on PostgreSQL the index is never behind the messages that others delete
WITH page AS (
    SELECT ts, message_id, seq
    FROM all_by_from AS one
    WHERE from_msisdn = :from_msisdn
        AND (:to_msisdn IS NULL OR to_msisdn = :to_msisdn)
        AND (ts, message_id) < (:before_ts, :before_message_id)
        AND ts >= :since
        AND (
            (:q = '' AND NOT :skips_deleted)
            OR EXISTS (
                SELECT 1 FROM messages
                WHERE messages.seq = one.seq
                    AND (:q = '' OR instr(ifnull(folded_text, text), :q) > 0)
            )
        )
    ORDER BY ts DESC, message_id DESC
    LIMIT :limit OFFSET :offset
)
SELECT page.message_id, messages.from_msisdn, messages.to_msisdn, page.ts, messages.text
FROM page LEFT JOIN messages USING (seq)
ORDER BY page.ts DESC, page.message_id DESC;

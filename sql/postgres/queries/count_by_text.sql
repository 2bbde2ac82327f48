-- Counts the messages with a text: the index finds candidates, and each text is checked.
-- Parameters: :q (part of the folded text, 3 characters or more), :from_msisdn, :to_msisdn (NULL
--             for any), :since <= ts < :until
-- Rows: one: message_count
-- Index: texts_by_trigram; the primary key of messages
-- Differs: SQLite counts in chunks, because a long read keeps the WAL from being reset
WITH candidates AS MATERIALIZED (
    SELECT message_id
    FROM texts
    WHERE folded_text
        LIKE '%' || replace(replace(replace(:q, '\', '\\'), '%', '\%'), '_', '\_') || '%'
    -- Without ALL: an erased message that was sent again may be in texts and pending, or pending
    -- twice.
    UNION
    SELECT pending.message_id
    FROM pending_texts, unnest(message_ids) AS pending (message_id)
)
SELECT count(*) AS message_count
FROM candidates JOIN messages USING (message_id)
WHERE strpos(coalesce(folded_text, text), :q) > 0
    AND (CAST(:from_msisdn AS TEXT) IS NULL OR from_msisdn = :from_msisdn)
    AND (CAST(:to_msisdn AS TEXT) IS NULL OR to_msisdn = :to_msisdn)
    AND ts >= :since
    AND ts < :until;

-- Stores a batch of messages, each message_id once: one statement, one transaction, one fsync.
--
-- Parameters: :batch       a JSON array of arrays: [message_id, from_msisdn, to_msisdn, ts, text,
--                          text_folded] (schemas.Message), no message_id twice
--             :created_at  microseconds since 1970
-- Rows:       message_id; of each message that is new, in no order
-- Index:      the UNIQUE one on message_id
--
-- OR IGNORE ignores more than duplicates (NOT NULL, for one), so that what does not come back here
-- is looked for with find_messages before anybody is told that it is stored.
INSERT OR IGNORE INTO messages
    (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, :created_at
FROM json_each(:batch)
WHERE true
RETURNING message_id;

-- Stores a batch of messages, each message_id once: one statement, one transaction, one fsync.
--
-- Parameters: :batch       a JSON array of arrays: [message_id, from_msisdn, to_msisdn, ts, text,
--                          text_folded] (schemas.Message), no message_id twice
--             :created_at  microseconds since 1970; no other batch has the same
-- Rows:       none
-- Index:      the UNIQUE one on message_id
--
-- The number of changes says whether all of them are new; if not, find_messages tells which were
-- there before. That is so even for what OR IGNORE ignores without being a duplicate (NOT NULL, for
-- one): nobody is told that it is stored. RETURNING would say it too, a row at a time, and between
-- two rows the driver lets go of Python's lock, which costs milliseconds to get back under load.
INSERT OR IGNORE INTO messages
    (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, :created_at
FROM json_each(:batch)
WHERE true;

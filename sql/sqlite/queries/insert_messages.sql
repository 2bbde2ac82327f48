-- Stores a batch of messages, each message_id once: one statement, one transaction, one fsync.
--
-- Parameters: :batch       a JSON array of arrays: [message_id, from_msisdn, to_msisdn, ts, text,
--                          text_folded] (schemas.Message), no message_id twice
--             :created_at  microseconds since 1970; no other batch has the same
-- Rows:       none
-- Index:      the UNIQUE one on message_id
--
-- OR IGNORE ignores more than duplicates. A NULL where none may be would be dropped like one: x'' in
-- its place is an error, since STRICT columns take no BLOB, and nothing of the batch is stored.
--
-- The number of changes says whether all of them are new; if not, find_messages tells which were
-- there before, so that nobody is told that an ignored one is stored. RETURNING would say it too, a
-- row at a time, and between two rows the driver lets go of Python's lock, which costs milliseconds
-- to get back under load.
INSERT OR IGNORE INTO messages
    (message_id, from_msisdn, to_msisdn, ts, text, text_folded, created_at)
SELECT
    ifnull(value ->> 0, x''),
    ifnull(value ->> 1, x''),
    ifnull(value ->> 2, x''),
    ifnull(value ->> 3, x''),
    value ->> 4,
    value ->> 5,
    :created_at
FROM json_each(:batch)
WHERE true;

-- Stores a batch in one statement: one transaction, one fsync. A known message_id is ignored.
-- Parameters: :batch (a JSON array of [message_id, from_msisdn, to_msisdn, ts, text, folded_text],
--             no message_id twice), :created_at (no other batch has the same)
-- Index: the UNIQUE one on message_id
--
-- OR IGNORE also ignores a NULL in a NOT NULL column. x'' in its place is an error: STRICT columns
-- take no BLOB. No RETURNING: the driver takes Python's lock for each row, milliseconds under load.
INSERT OR IGNORE INTO messages
    (message_id, from_msisdn, to_msisdn, ts, text, folded_text, created_at)
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

-- The slice of messages that is taken into the index: a copy, in memory, of what all steps read. The
-- messages themselves are read for a moment only, so that nothing keeps their log from beginning anew.
-- (To paste a statement that reads the slice into a shell, paste this one first.)
--
-- Parameters: none
-- Rows:       none
CREATE TEMP TABLE IF NOT EXISTS slice (
    seq INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    text_folded TEXT
) STRICT;

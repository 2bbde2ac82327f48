-- What a connection that reads keeps of the tail, in memory and narrow: each message is read from
-- `messages` once, not by every statement that wants it, whose pages every commit would make it read
-- anew. (To paste a query that reads the tail into a shell, paste this one first.)
--
-- Parameters: none
-- Rows:       none
CREATE TEMP TABLE IF NOT EXISTS tail_copy (
    seq INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL
) STRICT;

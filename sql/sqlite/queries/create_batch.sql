-- A copy, in memory, of the messages that are indexed next: no snapshot of them is held meanwhile.
CREATE TEMP TABLE IF NOT EXISTS batch (
    seq INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL,
    from_msisdn TEXT NOT NULL,
    to_msisdn TEXT NOT NULL,
    ts INTEGER NOT NULL,
    folded_text TEXT
) STRICT;

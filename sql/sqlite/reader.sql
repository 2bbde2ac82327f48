-- The views of every connection that reads. The index ends at indexed.seq; each view adds the
-- messages after it. SQLite flattens them: a query merges the index with the sorted rest.

CREATE TEMP VIEW unindexed_messages AS
SELECT seq, message_id, from_msisdn, to_msisdn, ts, text, folded_text
FROM messages
WHERE seq > (SELECT seq FROM indexed WHERE id = 1);

CREATE TEMP VIEW all_by_ts AS
SELECT ts, message_id, seq FROM messages_by_ts
UNION ALL
SELECT ts, message_id, seq FROM unindexed_messages;

CREATE TEMP VIEW all_by_from AS
SELECT from_msisdn, ts, message_id, to_msisdn, seq FROM messages_by_from
UNION ALL
SELECT from_msisdn, ts, message_id, to_msisdn, seq FROM unindexed_messages;

CREATE TEMP VIEW all_by_to AS
SELECT to_msisdn, ts, message_id, from_msisdn, seq FROM messages_by_to
UNION ALL
SELECT to_msisdn, ts, message_id, from_msisdn, seq FROM unindexed_messages;

-- Adds to the copy what is new in the tail, up to a place that bounds its memory. Messages behind that
-- place are read from `messages`, by every statement.
--
-- Parameters: :indexed_seq  how far the index is (read_indexed, in the same snapshot)
--             :copied_seq   how far the copy goes
-- Rows:       none
-- Index:      the primary key of messages; that of the copy, from its end
INSERT INTO tail_copy (seq, message_id, from_msisdn, to_msisdn, ts)
SELECT seq, message_id, from_msisdn, to_msisdn, ts
FROM messages
WHERE seq > max(:indexed_seq, (SELECT ifnull(max(seq), 0) FROM tail_copy))
    AND seq <= :copied_seq
ORDER BY seq;

-- Finds the events of a batch that were stored before it, and compares the bodies.
-- Parameters: :batch, :bodies (as insert_events has them), :last_seq (the last one before the batch)
-- Rows: one: events (a JSON array of [place in the batch, whether the body is the same])
-- Index: the UNIQUE one on (source, event_id)
-- Differs: PostgreSQL has arrays, and gets the duplicates alone
SELECT json_group_array(json_array(place, json(iif(is_same, 'true', 'false')))) AS events
FROM (
    SELECT
        sent.key AS place,
        events.body = ifnull(substr(:bodies, sent.value ->> 7, sent.value ->> 8), x'') AS is_same
    FROM json_each(:batch) AS sent
    CROSS JOIN events -- each event is looked up
        ON events.source = sent.value ->> 0 AND events.event_id = sent.value ->> 1
    WHERE events.seq <= :last_seq
);

-- What finds a part of a text (`q`) fast, on a server that has the extension pg_trgm. It is made at a
-- start that finds the extension and not the table, and all messages that there are get into it by
-- and by. Without it, a search looks at one message after the other, up to its deadline.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The folded text of every message that has one, a while behind `messages`: to bring a text into this
-- index takes several times what storing its message does, so that no webhook waits for it. Messages
-- that are not here yet are those of `unsearched`.
CREATE TABLE texts (
    message_id TEXT COLLATE "C" PRIMARY KEY,
    text_folded TEXT NOT NULL
);

CREATE INDEX by_text ON texts USING gin (text_folded gin_trgm_ops);

-- While the index is not there to be seen yet, other instances take the notes in unsearched away.
-- They hold this row meanwhile, and so does what follows, up to its commit.
SELECT id FROM totals WHERE id = 1 FOR UPDATE;

-- What was stored before, but for what is noted: a message is in one place, or a search finds it twice.
INSERT INTO unsearched (batch_id, message_count, message_ids)
SELECT gen_random_uuid(), count(*), array_agg(message_id)
FROM (
    SELECT message_id, div(row_number() OVER (ORDER BY message_id), 1000) AS batch
    FROM messages LEFT JOIN (
        SELECT message_id, TRUE AS is_noted
        FROM unsearched, unnest(message_ids) AS one (message_id)
    ) AS noted USING (message_id)
    WHERE is_noted IS NULL
) AS numbered
GROUP BY batch;

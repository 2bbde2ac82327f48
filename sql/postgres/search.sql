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

INSERT INTO unsearched (batch_id, message_count, message_ids)
SELECT gen_random_uuid(), count(*), array_agg(message_id)
FROM (
    SELECT message_id, div(row_number() OVER (ORDER BY message_id), 1000) AS batch FROM messages
) AS numbered
GROUP BY batch;

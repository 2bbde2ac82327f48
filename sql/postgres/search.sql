-- Makes the index that finds a part of a text (`q`) fast. It needs the extension pg_trgm. A start
-- that finds the extension and no table texts runs this file in one transaction. Without the index,
-- a search reads one message after another, up to its deadline.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE texts (
    message_id TEXT COLLATE "C" PRIMARY KEY,
    folded_text TEXT NOT NULL
);

CREATE INDEX texts_by_trigram ON texts USING gin (folded_text gin_trgm_ops);

COMMENT ON TABLE texts IS
'The folded text of every message that has one, without the batches in pending_texts. To index a
text costs several times what it costs to store its message, so no webhook waits for it.';

COMMENT ON INDEX texts_by_trigram IS
'The parts of three characters of each text.';

-- Until this transaction commits, other instances do not see the table, and discard pending texts.
-- They lock this row for that, so they wait.
SELECT id FROM totals WHERE id = 1 FOR UPDATE;

-- All messages become pending, but those that are pending already: no text is indexed twice.
INSERT INTO pending_texts (batch_id, message_count, message_ids)
SELECT gen_random_uuid(), count(*), array_agg(message_id)
FROM (
    SELECT message_id, div(row_number() OVER (ORDER BY message_id), 1000) AS batch
    FROM messages LEFT JOIN (
        SELECT message_id, TRUE AS is_pending
        FROM pending_texts, unnest(message_ids) AS one (message_id)
    ) AS pending USING (message_id)
    WHERE is_pending IS NULL
) AS numbered
GROUP BY batch;

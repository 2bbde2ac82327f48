-- Lets the start fold all texts again when fold() has changed (find_texts_to_fold,
-- update_folded_texts). An older instance does not know the new name of the column. So it can't
-- store or search texts in its own folding.

ALTER TABLE messages RENAME COLUMN text_folded TO folded_text;

-- Only a server with pg_trgm has this one: search.sql made it.
ALTER TABLE IF EXISTS texts RENAME COLUMN text_folded TO folded_text;

COMMENT ON TABLE messages IS
'Every message, stored once. COLLATE "C" compares bytes, as SQLite does, so pages have the same
order on every database. folded_text is the text as searches compare it; NULL where that is the text
itself. created_at is the server''s clock when the batch began.';

CREATE TABLE folding (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);

INSERT INTO folding (id, version) VALUES (1, 1);

COMMENT ON TABLE folding IS
'One row: the version of fold() (service/messages/text.py) that all texts have been through.';

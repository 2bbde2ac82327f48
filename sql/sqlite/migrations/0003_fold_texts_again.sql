-- Lets the start fold all texts again when fold() has changed (find_texts_to_fold,
-- update_folded_texts). An older service does not know the new name of the column. So it can't
-- store or search texts in its own folding.

-- seq is the order of commits, and never reused. Instants (ts, created_at) are microseconds since
-- 1970-01-01T00:00:00Z. folded_text is the text as `q` searches it, and NULL where that is the text
-- itself.
ALTER TABLE messages RENAME COLUMN text_folded TO folded_text;

-- One row: the version of fold() (service/messages/text.py) that all texts have been through.
CREATE TABLE folding (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO folding (id, version) VALUES (1, 1);

-- Notes a migration, in the transaction that carried it out.
--
-- Parameters: :number, :name, :digest, :now (microseconds since 1970)
-- Rows:       none
INSERT INTO migrations (number, name, digest, applied_at)
VALUES (:number, :name, :digest, :now);

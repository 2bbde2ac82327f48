-- Notes a migration, in the transaction that carried it out.
--
-- Parameters: :number, :name, :digest
-- Rows:       none
-- Differs:    here the time is the server's
INSERT INTO migrations (number, name, digest, applied_at)
VALUES (:number, :name, :digest, now());

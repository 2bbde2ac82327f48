-- Records a migration, in the transaction that ran it.
-- Parameters: :number, :name, :digest
-- Differs: the time is the server's
INSERT INTO migrations (number, name, digest, applied_at)
VALUES (:number, :name, :digest, now());

-- Records a migration, in its own transaction.
-- Parameters: :number, :name, :digest, :now (microseconds since 1970)
INSERT INTO migrations (number, name, digest, applied_at)
VALUES (:number, :name, :digest, :now);

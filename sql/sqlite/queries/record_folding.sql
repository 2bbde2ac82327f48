-- Records that all texts have been through a version of fold().
-- Parameters: :version
UPDATE folding
SET version = :version
WHERE id = 1;

-- Empties the slice.
--
-- Parameters: none
-- Rows:       none
DELETE FROM slice;

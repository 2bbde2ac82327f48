-- Begins a read whose statements all see one snapshot, taken by the first of them.
--
-- Parameters: none
-- Rows:       none
BEGIN DEFERRED;

-- Removes from the copy what is in the index by now, so that all that is left is of the tail.
--
-- Parameters: :indexed_seq  how far the index is (read_indexed, in the same snapshot)
-- Rows:       none
DELETE FROM tail_copy WHERE seq <= :indexed_seq;

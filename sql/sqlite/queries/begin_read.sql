-- Begins a read. Each file's snapshot begins with the first statement that reads the file.
BEGIN DEFERRED;

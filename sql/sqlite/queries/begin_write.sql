-- Begins a write. IMMEDIATE waits for the lock; an upgrade of a read can fail at once.
BEGIN IMMEDIATE;

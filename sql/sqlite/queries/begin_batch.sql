-- Begins to index a batch. IMMEDIATE would also begin a snapshot of the messages.
BEGIN DEFERRED;

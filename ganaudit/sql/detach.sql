-- The new catalog is complete.
COMMIT;
USE memory;
DETACH catalog;

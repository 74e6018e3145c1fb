-- A table that has no file yet (a pattern that finds no file would be an error).
CREATE VIEW $view AS
SELECT $columns
WHERE false;

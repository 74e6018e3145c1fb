-- A table that has no file yet (a pattern that finds no file would be an error).
CREATE OR REPLACE VIEW $view AS
SELECT $columns
WHERE false;

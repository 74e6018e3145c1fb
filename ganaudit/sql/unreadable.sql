-- A table of which a file cannot be read: the others can be asked, and this one says which file it is (template).
CREATE OR REPLACE VIEW $view AS
SELECT $columns
WHERE error($message) IS NULL;

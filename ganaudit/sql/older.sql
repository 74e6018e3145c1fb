-- A finding of which an older ganaudit wrote some files with fewer columns: those are NULL in its rows.
CREATE OR REPLACE VIEW $view AS
SELECT $columns
FROM (
    SELECT $nothing
    WHERE false
    UNION ALL BY NAME
    FROM read_parquet($files, hive_partitioning = false, union_by_name = true)
);

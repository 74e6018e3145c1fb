-- A table: its Parquet files, found anew by every query. Keys and runs are columns of the files; the folders' names
-- say the same again and are not read.
CREATE OR REPLACE VIEW $view AS
SELECT $columns
FROM read_parquet($files, hive_partitioning = false);

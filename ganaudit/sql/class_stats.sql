-- The finding class_stats of one run.
SELECT * FROM class_statistics($run, $presence);

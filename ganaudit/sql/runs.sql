-- One row per run: a run that has finished has written its row twice, and the finished one counts; after that, the one that
-- says that it was interrupted. Times are UTC.
CREATE VIEW runs AS
SELECT
    run,
    audit,
    spec,
    started AT TIME ZONE 'UTC' AS started,
    finished AT TIME ZONE 'UTC' AS finished,
    status,
    versions,
    device,
    git_commit
FROM run_files
QUALIFY row_number() OVER (PARTITION BY run ORDER BY run_files.finished DESC NULLS LAST, run_files.status = 'running') = 1;

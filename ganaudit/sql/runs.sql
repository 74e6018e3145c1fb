-- One row per run: a run that has finished has written its row twice, and the finished one counts; after that, the one that
-- says that it was interrupted. started and finished are instants (TIMESTAMPTZ): whatever the session's TimeZone, ages are right.
CREATE VIEW runs AS
SELECT
    run,
    audit,
    spec,
    started,
    finished,
    status,
    versions,
    device,
    git_commit
FROM run_files
QUALIFY row_number() OVER (PARTITION BY run ORDER BY run_files.finished DESC NULLS LAST, run_files.status = 'running') = 1;

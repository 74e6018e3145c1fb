-- The runs that filters leave, newest first; a filter that is NULL asks nothing. Images are those the run used, by its own count.
SELECT
    runs.run,
    runs.audit,
    runs.status,
    runs.started,
    round(epoch(runs.finished - runs.started), 1) AS seconds,
    count(*) FILTER (used.role = 'generated') AS generators,
    coalesce(sum(used.count), 0)::BIGINT AS images,
    string_agg(used.source, ', ' ORDER BY used.role <> 'real', used.role <> 'generated', used.role, used.source) AS sources
FROM runs
LEFT JOIN run_sources AS used ON used.run = runs.run
WHERE ($audit IS NULL OR runs.audit = $audit)
    AND ($status IS NULL OR runs.status = $status)
    AND ($since IS NULL OR runs.started >= CAST($since AS TIMESTAMPTZ))
    AND ($generator IS NULL OR runs.run IN (
        SELECT made.run FROM run_generators AS made WHERE $generator IN (made.generator, made.training)
    ))
GROUP BY ALL
ORDER BY runs.started DESC, runs.run
LIMIT CAST($most AS BIGINT)

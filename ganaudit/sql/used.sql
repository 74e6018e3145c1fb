-- The sources of one run with what their keys stand for, in the order in which a reader meets them.
SELECT
    run_sources.role,
    run_sources.source,
    sources.kind,
    run_sources.key,
    run_sources.parser_key,
    run_sources.count,
    sources.recipe,
    sources.digests,
    sources.training_step
FROM run_sources
JOIN sources ON sources.key = run_sources.key
WHERE run_sources.run = ?
ORDER BY run_sources.role <> 'real', run_sources.role <> 'generated', run_sources.role, run_sources.source;

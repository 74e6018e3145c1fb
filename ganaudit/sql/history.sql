-- Over time: over the checkpoints of one training, and over the runs of one audit.

-- Every generator of every run, with the training that it is a checkpoint of (its own name where the audit file says none) and
-- its training step (what the run's audit file says, else what its weights said when they were first recorded; NULL where unknown).
CREATE VIEW run_generators AS
WITH asked AS (
    SELECT runs.run, unnest(from_json(runs.spec -> 'generators', '["JSON"]')) AS generator
    FROM runs
)
SELECT
    runs.audit,
    run_sources.run,
    runs.started,
    runs.status,
    run_sources.source AS generator,
    coalesce(asked.generator ->> 'training', run_sources.source) AS training,
    coalesce(CAST(asked.generator ->> 'step' AS BIGINT), sources.training_step) AS training_step,
    run_sources.key
FROM run_sources
JOIN runs ON runs.run = run_sources.run
LEFT JOIN sources ON sources.key = run_sources.key
LEFT JOIN asked ON asked.run = run_sources.run AND asked.generator ->> 'name' = run_sources.source
WHERE run_sources.role = 'generated';

-- The distance of every generator of every run that has findings, with its training step: ordered by training_step a training,
-- ordered by started an audit over time. low and high are the ends of the corrected distance's interval.
CREATE VIEW history AS
SELECT
    which.audit,
    which.run,
    which.started,
    which.generator,
    which.training,
    which.training_step,
    fsd."real",
    fsd.real_images,
    fsd.generated_images,
    fsd.corrected,
    fsd.corrected_low AS low,
    fsd.corrected_high AS high,
    fsd.fsd,
    fsd.mostly_bias
FROM run_generators AS which
JOIN fsd ON fsd.run = which.run AND fsd.generator = which.generator
ORDER BY which.audit, which.training, which.started, which.run, which.training_step, which.generator;

-- The same for every class and measure: the ratio of generated to real with its interval and verdict.
CREATE VIEW class_history AS
SELECT
    which.audit,
    which.run,
    which.started,
    which.generator,
    which.training,
    which.training_step,
    found."real",
    found.class_id,
    found.class,
    found.measure,
    found.verdict,
    found.ratio,
    found.ratio_low AS low,
    found.ratio_high AS high,
    found.detectable
FROM run_generators AS which
JOIN dropped_classes AS found ON found.run = which.run AND found.generator = which.generator
ORDER BY which.audit, which.training, found.class_id, found.measure, which.started, which.run, which.training_step;

-- What changed from one run to another: every verdict on a class, group or class in a slice that is not the same in both, with its
-- ratio before and now. A generator or class that only one of them has is NULL on the other side. Against the newest run:
-- changed_since('RUN', (SELECT run FROM latest_runs WHERE audit = 'AUDIT')).
CREATE MACRO changed_since(run_before, run_now) AS TABLE
WITH said AS (
    SELECT run, generator, class, 'class' AS kind, NULL AS slice, measure, verdict, ratio
    FROM dropped_classes
    UNION ALL
    SELECT run, generator, "group", 'group', NULL, measure, verdict, ratio
    FROM dropped_groups
    UNION ALL
    SELECT run, generator, class, 'class', slice, measure, verdict, ratio
    FROM dropped_in_slices
),
was AS (
    SELECT *, coalesce(slice, '') AS part
    FROM said
    WHERE run = run_before
),
now AS (
    SELECT *, coalesce(slice, '') AS part
    FROM said
    WHERE run = run_now
)
SELECT
    generator,
    class,
    kind,
    nullif(part, '') AS slice,
    measure,
    was.verdict AS before,
    now.verdict AS now,
    was.ratio AS ratio_before,
    now.ratio AS ratio_now
FROM was
FULL JOIN now USING (generator, class, kind, part, measure)
WHERE was.verdict IS DISTINCT FROM now.verdict
ORDER BY generator, kind, part, class, measure DESC;

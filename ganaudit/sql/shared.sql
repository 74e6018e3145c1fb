-- Of each source of a run whose images stand for themselves: how many were read, how many of them repeat another image of the
-- source (of those with one digest all but the first), how many are also among the images of a real or training source, and how
-- many clusters were named and how many images are in them.
WITH used AS (
    SELECT role, source, digest, cluster, count(*) AS images
    FROM run_images(?)
    WHERE status = 'ok' AND role IN ('real', 'generated', 'heldout', 'train')
    GROUP BY ALL
),
sizes AS (
    SELECT
        role, source, sum(images)::BIGINT AS images, (sum(images) - count(DISTINCT digest))::BIGINT AS repeats,
        count(DISTINCT cluster) AS clusters, coalesce(sum(images) FILTER (cluster IS NOT NULL), 0)::BIGINT AS clustered
    FROM used
    GROUP BY ALL
),
pairs AS (
    SELECT used.source, also.source AS other, also.role AS other_role, sum(used.images)::BIGINT AS shared
    FROM used
    JOIN (SELECT DISTINCT role, source, digest FROM used WHERE role IN ('real', 'train')) AS also ON also.digest = used.digest
    WHERE used.role IN ('generated', 'heldout')
    GROUP BY ALL
)
SELECT sizes.role, sizes.source, sizes.images, sizes.repeats, pairs.other, pairs.other_role, coalesce(pairs.shared, 0),
    sizes.clusters, sizes.clustered
FROM sizes
LEFT JOIN pairs ON pairs.source = sizes.source
ORDER BY sizes.role <> 'real', sizes.role <> 'generated', sizes.source, pairs.other;

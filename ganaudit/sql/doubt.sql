-- The parser's doubt (1 - confidence) on each class of each source of a run: its mean over the class's pixels, and the standard
-- error of that from image to image (a ratio of sums, linearised).
WITH seen AS (
    SELECT used.role, used.source, used.class_id, used.pixels::DOUBLE AS class_pixels_in, 1 - used.confidence::DOUBLE AS doubt
    FROM run_class_pixels($run) AS used
    WHERE used.class_id <> 0 AND used.confidence IS NOT NULL AND used.role IN ('real', 'generated')
),
means AS (
    SELECT seen.role, seen.source, seen.class_id, count(*) AS images, sum(class_pixels_in) AS total, sum(class_pixels_in * doubt) / sum(class_pixels_in) AS doubt
    FROM seen
    GROUP BY ALL
)
SELECT
    means.role,
    means.source,
    means.class_id,
    means.images,
    means.doubt,
    sqrt(sum((seen.class_pixels_in * (seen.doubt - means.doubt)) ** 2) * means.images / nullif(means.images - 1, 0)) / means.total AS doubt_se
FROM means
JOIN seen ON seen.role = means.role AND seen.source = means.source AND seen.class_id = means.class_id
GROUP BY means.role, means.source, means.class_id, means.images, means.total, means.doubt

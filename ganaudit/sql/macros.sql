-- Questions about any run. Every macro takes the run's identifier first. A presence threshold is in percent of an image's
-- pixels; a class of fewer than 4 pixels never counts as present. (No parameter has the name of a column: DuckDB would
-- mistake one for the other.)

-- a / b, or NULL where there is nothing to divide by.
CREATE MACRO ratio(a, b) AS a / nullif(b, 0);

-- The standard error of generated / real, by the delta method, from the two values and their standard errors.
CREATE MACRO ratio_se(generated, generated_se, real_value, real_se) AS
    sqrt(generated_se ** 2 + (generated / nullif(real_value, 0)) ** 2 * real_se ** 2) / nullif(real_value, 0);

-- The standard error of a mean from n, the sum and the sum of squares; NULL below two. n Σx² − (Σx)² is an exact integer.
CREATE MACRO mean_se(n, total, squares) AS
    sqrt((n * squares - total * total)::DOUBLE / (n::DOUBLE * n * nullif(n - 1, 0)));

-- Whether a class of so many pixels counts as present in a label map of so many.
CREATE MACRO is_present(held, held_of, threshold_percent) AS
    held >= 4 AND held * 100.0::DOUBLE >= threshold_percent::DOUBLE * held_of;

-- Every image that a run uses, set-aside ones included, with the role and name of its source.
CREATE MACRO run_images(this_run) AS TABLE
SELECT
    run_sources.run,
    run_sources.role,
    run_sources.source,
    run_sources.parser_key,
    images.*
FROM run_sources
JOIN images
    ON images.key = run_sources.key
    AND images.image >= run_sources.first
    AND images.image < run_sources.first + run_sources.count
WHERE run_sources.run = this_run;

-- Every class in every image of a run that was read. percent is of the image's pixels, label_pixels their number.
CREATE MACRO run_class_pixels(this_run) AS TABLE
SELECT
    used.run,
    used.role,
    used.source,
    used.parser_key,
    used.name,
    classes.name AS class,
    classes.head,
    class_pixels.*,
    used.pixels AS label_pixels,
    100.0::DOUBLE * class_pixels.pixels / used.pixels AS percent
FROM run_images(this_run) AS used
JOIN class_pixels ON class_pixels.key = used.key AND class_pixels.image = used.image
JOIN classes ON classes.parser_key = used.parser_key AND classes.class_id = class_pixels.class_id
WHERE used.status = 'ok';

-- Sums per source and class, over every class of the parser, also where it never appears. images is the number that were
-- read, label_pixels the size of one label map. Confidence is summed as integers (of 2⁻²⁴), the same in any order.
CREATE MACRO class_totals(this_run, threshold_percent) AS TABLE
WITH looked_at AS (
    SELECT used.run, used.role, used.source, used.parser_key, count(*) AS images, max(used.pixels) AS label_pixels
    FROM run_images(this_run) AS used
    WHERE used.status = 'ok'
    GROUP BY ALL
),
counted AS (
    SELECT
        seen.source,
        seen.class_id,
        sum(seen.pixels::BIGINT) AS total,
        sum(seen.pixels::BIGINT * seen.pixels) AS squares,
        count(*) FILTER (is_present(seen.pixels, seen.label_pixels, threshold_percent)) AS present,
        sum(seen.pixels::BIGINT) FILTER (is_present(seen.pixels, seen.label_pixels, threshold_percent)) AS present_total,
        sum(seen.pixels::BIGINT * seen.pixels)
            FILTER (is_present(seen.pixels, seen.label_pixels, threshold_percent)) AS present_squares,
        sum(round(seen.confidence::DOUBLE * 16777216)::BIGINT * seen.pixels) AS confidence,
        sum(seen.pixels::BIGINT) FILTER (seen.confidence IS NOT NULL) AS confidence_pixels
    FROM run_class_pixels(this_run) AS seen
    GROUP BY ALL
)
SELECT
    looked_at.*,
    classes.class_id,
    classes.name AS class,
    classes.head,
    coalesce(counted.total, 0) AS total,
    coalesce(counted.squares, 0) AS squares,
    coalesce(counted.present, 0) AS present,
    coalesce(counted.present_total, 0) AS present_total,
    coalesce(counted.present_squares, 0) AS present_squares,
    counted.confidence / (16777216.0::DOUBLE * counted.confidence_pixels) AS confidence
FROM looked_at
JOIN classes ON classes.parser_key = looked_at.parser_key
LEFT JOIN counted ON counted.source = looked_at.source AND counted.class_id = classes.class_id;

-- The share of a source's images that hold a class, with its binomial standard error.
CREATE MACRO class_presence(this_run, threshold_percent) AS TABLE
SELECT
    totals.run,
    totals.role,
    totals.source,
    totals.class_id,
    totals.class,
    totals.images,
    totals.present,
    totals.present / totals.images AS presence,
    sqrt((totals.present / totals.images) * (1 - totals.present / totals.images) / totals.images) AS presence_se
FROM class_totals(this_run, threshold_percent) AS totals
ORDER BY totals.role DESC, totals.source, totals.class_id;

-- What the finding class_stats holds, at any presence threshold: every real source against every generator, by class.
CREATE MACRO class_statistics(this_run, threshold_percent) AS TABLE
WITH measured AS (
    SELECT
        totals.*,
        100.0::DOUBLE / totals.label_pixels AS percent,
        present / images AS presence
    FROM class_totals(this_run, threshold_percent) AS totals
    WHERE totals.class_id <> 0
),
estimated AS (
    SELECT
        measured.run,
        measured.role,
        measured.source,
        measured.parser_key,
        measured.class_id,
        measured.class,
        greatest(threshold_percent::DOUBLE, 4 * percent) AS presence_threshold,
        percent * total / images AS area,
        percent * mean_se(images, total, squares) AS area_se,
        presence,
        sqrt(presence * (1 - presence) / images) AS presence_se,
        percent * present_total / nullif(present, 0) AS size,
        percent * mean_se(nullif(present, 0), present_total, present_squares) AS size_se,
        confidence
    FROM measured
)
SELECT
    r.run,
    r.source AS "real",
    g.source AS generator,
    r.class_id,
    r.class,
    r.presence_threshold,
    r.area AS real_area,
    r.area_se AS real_area_se,
    g.area AS generated_area,
    g.area_se AS generated_area_se,
    ratio(g.area, r.area) AS area_ratio,
    ratio_se(g.area, g.area_se, r.area, r.area_se) AS area_ratio_se,
    r.presence AS real_presence,
    r.presence_se AS real_presence_se,
    g.presence AS generated_presence,
    g.presence_se AS generated_presence_se,
    ratio(g.presence, r.presence) AS presence_ratio,
    ratio_se(g.presence, g.presence_se, r.presence, r.presence_se) AS presence_ratio_se,
    r.size AS real_size,
    r.size_se AS real_size_se,
    g.size AS generated_size,
    g.size_se AS generated_size_se,
    ratio(g.size, r.size) AS size_ratio,
    ratio_se(g.size, g.size_se, r.size, r.size_se) AS size_ratio_se,
    r.confidence AS real_confidence,
    g.confidence AS generated_confidence
FROM estimated AS r
JOIN estimated AS g ON g.parser_key = r.parser_key AND g.class_id = r.class_id
WHERE r.role = 'real' AND g.role = 'generated'
ORDER BY r.source, g.source, r.class_id;

-- The k images of a source that hold most of a class.
CREATE MACRO most_of(this_run, this_source, this_class, k) AS TABLE
SELECT
    seen.image,
    seen.name,
    seen.pixels,
    seen.percent,
    seen.x_min,
    seen.y_min,
    seen.x_max,
    seen.y_max
FROM run_class_pixels(this_run) AS seen
WHERE seen.source = this_source AND seen.class = this_class
QUALIFY row_number() OVER (ORDER BY seen.pixels DESC, seen.image) <= k
ORDER BY seen.pixels DESC, seen.image;

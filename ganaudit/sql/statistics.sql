-- Statistics of classes: each for a whole run, and for the images that a condition leaves (…_where). What both share is a
-- macro over a relation, named as text (…_of).

-- Sums per source and class over the images in a relation with the columns of run_images, for every class of the parser,
-- also where it never appears. images is the number that were read, label_pixels the size of one label map. own_size is that
-- of the largest region which nineteen of twenty real images reach that hold the class. Confidence is summed as integers (of
-- 2⁻²⁴), the same in any order; trace_confidence is that of the pixels in images where the class is not present.
CREATE MACRO totals_of(chosen, threshold_percent) AS TABLE
WITH used AS (
    SELECT * FROM query_table(chosen) AS every WHERE every.status = 'ok'
),
looked_at AS (
    SELECT used.run, used.role, used.source, used.parser_key, count(*) AS images, max(used.pixels) AS label_pixels
    FROM used
    GROUP BY ALL
),
held AS (
    SELECT
        used.role,
        used.source,
        used.parser_key,
        used.pixels AS label_pixels,
        class_pixels.class_id,
        class_pixels.pixels,
        coalesce(class_pixels.largest, class_pixels.pixels) AS largest,
        class_pixels.parts,
        class_pixels.confidence,
        round(class_pixels.confidence::DOUBLE * 16777216)::BIGINT * class_pixels.pixels AS confidence_sum
    FROM used
    JOIN class_pixels ON class_pixels.key = used.key AND class_pixels.image = used.image
),
ranked AS (
    SELECT
        held.parser_key,
        held.class_id,
        held.largest,
        row_number() OVER (PARTITION BY held.parser_key, held.class_id ORDER BY held.largest) - 1 AS place,
        count(*) OVER (PARTITION BY held.parser_key, held.class_id) AS number
    FROM held
    WHERE threshold_percent IS NULL AND held.role = 'real' AND held.largest >= 4
),
own_sizes AS (
    SELECT ranked.parser_key, ranked.class_id, ranked.largest AS own_size
    FROM ranked
    WHERE ranked.place = floor(0.05::DOUBLE * ranked.number)
),
seen AS (
    SELECT
        held.*,
        is_present_from(held.pixels, held.largest, held.label_pixels, coalesce(own_sizes.own_size, 4), threshold_percent)
            AS is_counted
    FROM held
    LEFT JOIN own_sizes ON own_sizes.parser_key = held.parser_key AND own_sizes.class_id = held.class_id
),
counted AS (
    SELECT
        seen.source,
        seen.class_id,
        count(*) AS touched,
        sum(seen.pixels::BIGINT) AS total,
        sum(seen.pixels::BIGINT * seen.pixels) AS squares,
        count(*) FILTER (seen.is_counted) AS present,
        sum(seen.pixels::BIGINT) FILTER (seen.is_counted) AS present_total,
        sum(seen.pixels::BIGINT * seen.pixels) FILTER (seen.is_counted) AS present_squares,
        sum(seen.parts::BIGINT) FILTER (seen.is_counted) AS parts,
        sum(seen.parts::BIGINT * seen.parts) FILTER (seen.is_counted) AS parts_squares,
        count(*) FILTER (seen.parts IS NULL) AS uncounted,
        sum(seen.confidence_sum) AS confidence,
        sum(seen.pixels::BIGINT) FILTER (seen.confidence IS NOT NULL) AS confidence_pixels,
        sum(seen.confidence_sum) FILTER (NOT seen.is_counted) AS trace_confidence,
        sum(seen.pixels::BIGINT) FILTER (NOT seen.is_counted AND seen.confidence IS NOT NULL) AS trace_pixels
    FROM seen
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
    coalesce(counted.touched, 0) AS touched,
    CASE WHEN counted.uncounted > 0 THEN NULL ELSE coalesce(counted.parts, 0) END AS parts,
    CASE WHEN counted.uncounted > 0 THEN NULL ELSE coalesce(counted.parts_squares, 0) END AS parts_squares,
    CASE WHEN threshold_percent IS NULL THEN coalesce(own_sizes.own_size, 4) END AS own_size,
    counted.confidence / (16777216.0::DOUBLE * counted.confidence_pixels) AS confidence,
    counted.trace_confidence / (16777216.0::DOUBLE * counted.trace_pixels) AS trace_confidence
FROM looked_at
JOIN classes ON classes.parser_key = looked_at.parser_key
LEFT JOIN own_sizes ON own_sizes.parser_key = classes.parser_key AND own_sizes.class_id = classes.class_id
LEFT JOIN counted ON counted.source = looked_at.source AND counted.class_id = classes.class_id;

-- The sums of totals_of over all images of a run.
CREATE MACRO class_totals(this_run, threshold_percent) AS TABLE
WITH used_images AS (
    FROM run_images(this_run)
)
FROM totals_of('used_images', threshold_percent);

-- The sums of totals_of over the images that a condition leaves (see run_images_where); a source without any has no row.
CREATE MACRO class_totals_where(this_run, threshold_percent, condition) AS TABLE
WITH used_images AS (
    FROM run_images_where(this_run, condition)
)
FROM totals_of('used_images', threshold_percent);

-- From a relation of such sums, the share of a source's images that hold a class, with its binomial standard error.
CREATE MACRO presence_of(sums) AS TABLE
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
FROM query_table(sums) AS totals
ORDER BY totals.role DESC, totals.source, totals.class_id;

-- The share of a source's images that hold a class, at any presence threshold, with its binomial standard error.
CREATE MACRO class_presence(this_run, threshold_percent) AS TABLE
WITH class_sums AS (
    FROM class_totals(this_run, threshold_percent)
)
FROM presence_of('class_sums');

-- class_presence over the images that a condition leaves (see run_images_where).
CREATE MACRO class_presence_where(this_run, threshold_percent, condition) AS TABLE
WITH class_sums AS (
    FROM class_totals_where(this_run, threshold_percent, condition)
)
FROM presence_of('class_sums');

-- From a relation of such sums, every real source against every generator, by class.
CREATE MACRO statistics_of(sums, threshold_percent) AS TABLE
WITH measured AS (
    SELECT
        totals.*,
        100.0::DOUBLE / totals.label_pixels AS percent,
        present / images AS presence
    FROM query_table(sums) AS totals
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
        CASE WHEN threshold_percent IS NULL THEN own_size * percent ELSE greatest(threshold_percent::DOUBLE, 4 * percent) END
            AS presence_threshold,
        percent * total / images AS area,
        percent * mean_se(images, total, squares) AS area_se,
        presence,
        sqrt(presence * (1 - presence) / images) AS presence_se,
        percent * present_total / nullif(present, 0) AS size,
        percent * mean_se(nullif(present, 0), present_total, present_squares) AS size_se,
        parts / images AS count,
        mean_se(images, parts, parts_squares) AS count_se,
        touched / images AS any_trace,
        sqrt((touched / images) * (1 - touched / images) / images) AS any_trace_se,
        confidence,
        trace_confidence
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
    r.count AS real_count,
    r.count_se AS real_count_se,
    g.count AS generated_count,
    g.count_se AS generated_count_se,
    ratio(g.count, r.count) AS count_ratio,
    ratio_se(g.count, g.count_se, r.count, r.count_se) AS count_ratio_se,
    r.any_trace AS real_any_trace,
    r.any_trace_se AS real_any_trace_se,
    g.any_trace AS generated_any_trace,
    g.any_trace_se AS generated_any_trace_se,
    ratio(g.any_trace, r.any_trace) AS any_trace_ratio,
    ratio_se(g.any_trace, g.any_trace_se, r.any_trace, r.any_trace_se) AS any_trace_ratio_se,
    r.confidence AS real_confidence,
    g.confidence AS generated_confidence,
    r.trace_confidence AS real_trace_confidence,
    g.trace_confidence AS generated_trace_confidence
FROM estimated AS r
JOIN estimated AS g ON g.parser_key = r.parser_key AND g.class_id = r.class_id
WHERE r.role = 'real' AND g.role = 'generated'
ORDER BY r.source, g.source, r.class_id;


-- What the finding class_stats holds, at any presence threshold: every real source against every generator, by class.
CREATE MACRO class_statistics(this_run, threshold_percent) AS TABLE
WITH class_sums AS (
    FROM class_totals(this_run, threshold_percent)
)
FROM statistics_of('class_sums', threshold_percent);

-- class_statistics over the images that a condition leaves (see run_images_where), such as $$label = 'dusk'$$.
CREATE MACRO class_statistics_where(this_run, threshold_percent, condition) AS TABLE
WITH class_sums AS (
    FROM class_totals_where(this_run, threshold_percent, condition)
)
FROM statistics_of('class_sums', threshold_percent);

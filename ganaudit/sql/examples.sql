-- Images to look at, and what goes together in them.

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

-- The k images of a pair of sources that push the distance up most, real ones and generated ones alike; only a run whose
-- findings were made has them. All influences, also those that pull it down, are in the view influences.
CREATE MACRO most_influence(this_run, this_generator, k) AS TABLE
SELECT
    found."real",
    found.generator,
    found.role,
    used.source,
    found.image,
    used.name,
    found.influence
FROM influences AS found
JOIN run_images(this_run) AS used
    ON used.key = found.key
    AND used.image = found.image
    AND used.role = found.role
    AND used.source = CASE found.role WHEN 'real' THEN found."real" ELSE found.generator END
WHERE found.run = this_run AND found.generator = this_generator
QUALIFY row_number() OVER (ORDER BY found.influence DESC, found.role DESC, found.image) <= k
ORDER BY found.influence DESC, found.role DESC, found.image;

-- Pairs of classes that some image of a source holds together (void left out), at any presence threshold: how many images
-- hold both, how many would if each stood where it does regardless of the other, and how much likelier they are together
-- than apart, p_ab / (p_a p_b). The finding dropped_pairs compares that between generated and real images.
CREATE MACRO seen_together(this_run, threshold_percent) AS TABLE
WITH alone AS (
    SELECT totals.source, totals.class_id, totals.images, totals.present, totals.own_size
    FROM class_totals(this_run, threshold_percent) AS totals
),
held AS (
    SELECT seen.role, seen.source, seen.key, seen.image, seen.class_id, seen.class
    FROM run_class_pixels(this_run) AS seen
    JOIN alone ON alone.source = seen.source AND alone.class_id = seen.class_id
    WHERE seen.class_id <> 0
        AND is_present_from(
            seen.pixels, coalesce(seen.largest, seen.pixels), seen.label_pixels, alone.own_size, threshold_percent
        )
),
pairs AS (
    SELECT
        a.role,
        a.source,
        a.class_id AS class_id_a,
        b.class_id AS class_id_b,
        a.class AS class_a,
        b.class AS class_b,
        count(*) AS together
    FROM held AS a
    JOIN held AS b ON b.source = a.source AND b.image = a.image AND b.class_id > a.class_id
    GROUP BY ALL
)
SELECT
    pairs.role,
    pairs.source,
    pairs.class_a,
    pairs.class_b,
    a.images,
    a.present AS images_with_a,
    b.present AS images_with_b,
    pairs.together AS images_with_both,
    a.present * b.present / a.images AS expected,
    pairs.together * a.images / (a.present * b.present) AS likelier_together
FROM pairs
JOIN alone AS a ON a.source = pairs.source AND a.class_id = pairs.class_id_a
JOIN alone AS b ON b.source = pairs.source AND b.class_id = pairs.class_id_b
ORDER BY pairs.role DESC, pairs.source, pairs.together DESC, pairs.class_id_a, pairs.class_id_b;

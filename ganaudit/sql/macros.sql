-- What any run used, and what the other scripts compute with. Every macro takes the run's identifier first. A presence
-- threshold is in percent of an image's pixels, or NULL: each class's own size, as in the findings; a class of fewer than 4
-- pixels never counts as present. (No parameter has the name of a column: DuckDB would mistake one for the other.)

-- a / b, or NULL where there is nothing to divide by.
CREATE MACRO ratio(a, b) AS
    a / nullif(b, 0);

-- The standard error of generated / real, by the delta method, from the two values and their standard errors.
CREATE MACRO ratio_se(generated, generated_se, real_value, real_se) AS
    sqrt(generated_se ** 2 + (generated / nullif(real_value, 0)) ** 2 * real_se ** 2) / nullif(real_value, 0);

-- The standard error of a mean from n, the sum and the sum of squares; NULL below two. n Σx² − (Σx)² is an exact integer.
CREATE MACRO mean_se(n, total, squares) AS
    sqrt((n * squares - total * total)::DOUBLE / (n::DOUBLE * n * nullif(n - 1, 0)));

-- Whether a class of so many pixels counts as present in a label map of so many.
CREATE MACRO is_present(held, held_of, threshold_percent) AS
    held >= 4 AND held * 100.0::DOUBLE >= threshold_percent::DOUBLE * held_of;

-- The same at a class's own size, so many pixels of its largest region, where the threshold is NULL.
CREATE MACRO is_present_from(held, largest_held, held_of, own_size, threshold_percent) AS
    CASE WHEN threshold_percent IS NULL THEN largest_held >= own_size ELSE is_present(held, held_of, threshold_percent) END;

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

-- Whether a parser sees so many pixels of a class, by its name, in an image: image_holds(parser_key, key, image, 'person').
CREATE MACRO image_holds(of_parser, of_key, of_image, this_class, least := 4) AS
    (of_parser, of_key, of_image) IN (
        SELECT named.parser_key, held.key, held.image
        FROM class_pixels AS held
        JOIN classes AS named ON named.class_id = held.class_id
        WHERE named.name = this_class AND held.pixels >= least
    );

-- The images of a run for which a condition holds, given as text: any WHERE over the columns of run_images. For one side alone
-- write role = 'generated' OR …; for what they hold, holds('person') or holds('person', 100): so many pixels of it.
-- Run and condition must be constants. (DuckDB runs the text: take it from nobody who may not run SQL of their own.)
CREATE MACRO run_images_where(this_run, condition) AS TABLE
FROM query(
    'FROM run_images(''' || replace(this_run, '''', '''''') || ''') WHERE ('
    || regexp_replace(condition, '\bholds\s*\(', 'image_holds(parser_key, key, image, ', 'gi') || chr(10) || ')'
);

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

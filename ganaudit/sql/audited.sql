-- By an audit's own names.

-- The latest finished run of each audit.
CREATE VIEW latest_runs AS
SELECT *
FROM runs
WHERE finished IS NOT NULL AND status IN ('done', 'set aside')
QUALIFY row_number() OVER (PARTITION BY audit ORDER BY finished DESC, started DESC, run DESC) = 1;

-- Every image of those runs, set-aside ones included: WHERE status = 'ok' for those that were read.
CREATE VIEW audited_images AS
SELECT
    latest_runs.audit,
    run_sources.run,
    run_sources.role,
    run_sources.source,
    images.*
FROM latest_runs
JOIN run_sources ON run_sources.run = latest_runs.run
JOIN images
    ON images.key = run_sources.key
    AND images.image >= run_sources.first
    AND images.image < run_sources.first + run_sources.count;

-- Every class in every image of those runs. Absent classes have no row: for a mean, divide by the number of images in
-- audited_images with status 'ok', never by rows. percent is of the image's pixels.
CREATE VIEW audited_class_pixels AS
SELECT
    audited_images.audit,
    audited_images.run,
    audited_images.role,
    audited_images.source,
    audited_images.name,
    classes.name AS class,
    classes.head,
    class_pixels.*,
    100.0::DOUBLE * class_pixels.pixels / audited_images.pixels AS percent
FROM audited_images
JOIN run_sources ON run_sources.run = audited_images.run AND run_sources.source = audited_images.source
JOIN class_pixels ON class_pixels.key = audited_images.key AND class_pixels.image = audited_images.image
JOIN classes ON classes.parser_key = run_sources.parser_key AND classes.class_id = class_pixels.class_id
WHERE audited_images.status = 'ok';

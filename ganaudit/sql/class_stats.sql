-- The finding class_stats, from sums with the columns of totals_of that were made of the run's records already.
WITH class_sums AS (
    SELECT
        * REPLACE (
            total::HUGEINT AS total,
            squares::HUGEINT AS squares,
            present_total::HUGEINT AS present_total,
            present_squares::HUGEINT AS present_squares,
            parts::HUGEINT AS parts,
            parts_squares::HUGEINT AS parts_squares
        )
    FROM class_sums_made
)
FROM statistics_of('class_sums', $presence);

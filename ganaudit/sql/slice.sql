-- The images of one source of a run that meet a slice's condition, over the columns of `images`.
SELECT used.image
FROM run_images($run) AS used
WHERE used.source = $source AND used.status = 'ok' AND ($condition
);

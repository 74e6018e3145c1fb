-- The real and generated sources of a run: how many images were read, and how many of them have a label.
SELECT used.role, used.source, count(*) AS images, count(used.label) AS labelled
FROM run_images(?) AS used
WHERE used.status = 'ok' AND used.role IN ('real', 'generated')
GROUP BY used.role, used.source
ORDER BY used.role DESC, used.source;

-- Questions to the output of: wildvision score SOURCE --out out --format parquet
-- Run with: duckdb < examples/duckdb_queries.sql

-- What came of the photos?
SELECT status, decision, count(*) AS photos
FROM 'out/part-*.parquet'
GROUP BY ALL ORDER BY photos DESC;

-- Photos that a person should see first, each group's strongest ten
SELECT id, listing_id, leaf, scores.ivory AS score, lookalike.leaf AS looks_like, lookalike.margin
FROM 'out/part-*.parquet'
WHERE decision IN ('block', 'review')
ORDER BY scores.ivory DESC LIMIT 10;

-- How many flagged photos would another threshold give? (thresholds for use belong into the model card)
SELECT t AS threshold, count(*) FILTER (WHERE scores.python_skin >= t) AS flagged, count(*) AS photos
FROM 'out/part-*.parquet', (SELECT unnest([0.5, 0.7, 0.9, 0.95, 0.99]) AS t)
WHERE status = 'ok' GROUP BY t ORDER BY t;

-- Further columns of the manifest are JSON in "extra"
SELECT extra ->> '$.seller' AS seller, count(*) AS flagged
FROM 'out/part-*.parquet'
WHERE decision <> 'pass' GROUP BY seller ORDER BY flagged DESC LIMIT 20;

-- The same photo under several listings: shared stock, or one seller under many names
SELECT coalesce(copy_of, id) AS original, count(DISTINCT listing_id) AS listings
FROM 'out/part-*.parquet'
GROUP BY original HAVING listings > 1 ORDER BY listings DESC LIMIT 20;

-- Verdicts on listings, with the photos that speak against them
SELECT listing_id, "group", decision, decided_by, conflicts
FROM read_json('out/listings.jsonl')
WHERE decision <> 'pass' AND len(conflicts) > 0;

-- Rendered by oddspipe 0.1.0 from sports/mlb.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.
-- How long did events take from their arrival to the odds that they caused?
SELECT toDate(event_time, 'UTC') AS day, uniqExact(game_id, odds_sequence) AS messages,
    quantiles(0.5, 0.99, 0.999)(dateDiff('microsecond', oldest_ingest, as_of))
        AS delay_us
FROM oddspipe.mlb_odds_history
WHERE event_time >= {since:Date} AND event_time < {until:Date}
GROUP BY day
ORDER BY day;

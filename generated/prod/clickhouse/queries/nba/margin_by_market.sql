-- Rendered by oddspipe 0.1.0 from sports/nba.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.
-- Which margin did open main lines carry, by market and day?
SELECT toDate(at, 'UTC') AS day, scope, market, count() AS boards,
    round(avg(booked) - 1, 5) AS margin
FROM (
    SELECT min(event_time) AS at, scope, market, sum(p_booked) AS booked
    FROM oddspipe.nba_odds_history
    WHERE event_time >= {since:Date} AND event_time < {until:Date} AND is_main AND status = 'open'
    GROUP BY game_id, odds_sequence, scope, market, line
)
GROUP BY day, scope, market
ORDER BY day, scope, market;

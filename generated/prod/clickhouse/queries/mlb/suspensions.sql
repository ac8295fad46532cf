-- Rendered by oddspipe 0.1.0 from sports/mlb.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.
-- How often was a market suspended in a game, and why?
SELECT game_id, market, reason, uniqExact(odds_sequence) AS times, min(as_of) AS first,
    max(as_of) AS last
FROM oddspipe.mlb_odds_history
WHERE event_time >= {since:Date} AND event_time < {until:Date} AND status = 'suspended'
GROUP BY game_id, market, reason
ORDER BY times DESC, game_id, market
LIMIT 1000;

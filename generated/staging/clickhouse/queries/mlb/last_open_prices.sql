-- Rendered by oddspipe 0.1.0 from sports/mlb.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.
-- What were the last open prices of each game's main lines before its first score?
SELECT game_id, market, side, argMax(line, odds_sequence) AS last_line,
    argMax(decimal, odds_sequence) AS last_decimal, max(as_of) AS at
FROM oddspipe.mlb_odds_history
WHERE event_time >= {since:Date} AND event_time < {until:Date} AND scope = 'game' AND is_main AND status = 'open'
    AND home_score + away_score = 0
GROUP BY game_id, market, side
ORDER BY game_id, market, side;

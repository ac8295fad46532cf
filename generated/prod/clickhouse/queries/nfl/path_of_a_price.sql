-- Rendered by oddspipe 0.1.0 from sports/nfl.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.
-- How did the main line of a market move in a game, and what moved it?
SELECT odds_sequence, as_of, reason, home_score, away_score, side, line, decimal,
    round(p_fair, 4) AS fair, status
FROM oddspipe.nfl_odds_history
WHERE game_id = {game:String} AND market = {market:String} AND scope = 'game'
    AND is_main
ORDER BY odds_sequence, side;

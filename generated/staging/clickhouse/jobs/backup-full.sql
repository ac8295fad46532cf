-- Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

BACKUP DATABASE oddspipe EXCEPT TABLES oddspipe.mlb_odds_from_topic, oddspipe.mlb_odds_queue, oddspipe.nba_odds_from_topic, oddspipe.nba_odds_queue, oddspipe.nfl_odds_from_topic, oddspipe.nfl_odds_queue
TO Disk('backups', {name:String});

-- Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

DROP DATABASE IF EXISTS oddspipe_drill;

RESTORE DATABASE oddspipe AS oddspipe_drill FROM Disk('backups', {name:String});

SELECT throwIf((SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe.mlb_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date})
  != (SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe_drill.mlb_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date}),
  'mlb_odds_history: the restored rows differ');

SELECT throwIf((SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe.nba_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date})
  != (SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe_drill.nba_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date}),
  'nba_odds_history: the restored rows differ');

SELECT throwIf((SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe.nfl_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date})
  != (SELECT (count(), groupBitXor(cityHash64(*))) FROM oddspipe_drill.nfl_odds_history WHERE event_time >= {since:Date} AND event_time < {before:Date}),
  'nfl_odds_history: the restored rows differ');

DROP DATABASE oddspipe_drill;

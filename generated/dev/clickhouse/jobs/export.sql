-- Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

INSERT INTO FUNCTION s3(archive, filename = concat('parquet/mlb_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet')
SELECT * FROM oddspipe.mlb_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}
SETTINGS s3_truncate_on_insert = 1;

SELECT throwIf((SELECT count() FROM s3(archive, filename = concat('parquet/mlb_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet'))
  != (SELECT count() FROM oddspipe.mlb_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}),
  'mlb_odds_history: the archive has other rows');

INSERT INTO FUNCTION s3(archive, filename = concat('parquet/nba_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet')
SELECT * FROM oddspipe.nba_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}
SETTINGS s3_truncate_on_insert = 1;

SELECT throwIf((SELECT count() FROM s3(archive, filename = concat('parquet/nba_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet'))
  != (SELECT count() FROM oddspipe.nba_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}),
  'nba_odds_history: the archive has other rows');

INSERT INTO FUNCTION s3(archive, filename = concat('parquet/nfl_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet')
SELECT * FROM oddspipe.nfl_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}
SETTINGS s3_truncate_on_insert = 1;

SELECT throwIf((SELECT count() FROM s3(archive, filename = concat('parquet/nfl_odds_history/', toString({day:Date}), '.parquet'), format = 'Parquet'))
  != (SELECT count() FROM oddspipe.nfl_odds_history WHERE toDate(event_time, 'UTC') = {day:Date}),
  'nfl_odds_history: the archive has other rows');

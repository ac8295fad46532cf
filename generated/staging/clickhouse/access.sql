-- Rendered by oddspipe 0.1.0 from platform.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

USE oddspipe;

CREATE ROLE IF NOT EXISTS oddspipe_analyst;

CREATE ROLE IF NOT EXISTS oddspipe_quant;

CREATE ROLE IF NOT EXISTS oddspipe_operator;

CREATE ROLE IF NOT EXISTS oddspipe_mlb;

GRANT SELECT ON oddspipe.mlb_odds_history TO oddspipe_mlb;

GRANT SELECT ON oddspipe.mlb_odds_latest TO oddspipe_mlb;

GRANT oddspipe_mlb TO oddspipe_analyst;

GRANT oddspipe_mlb TO oddspipe_quant;

GRANT SELECT ON oddspipe.mlb_events TO oddspipe_quant;

GRANT SELECT ON oddspipe.mlb_tracking_by_second TO oddspipe_quant;

CREATE ROW POLICY IF NOT EXISTS settled_and_live ON oddspipe.mlb_odds_history USING 1 TO oddspipe_mlb, oddspipe_operator, default;

CREATE ROLE IF NOT EXISTS oddspipe_nba;

GRANT SELECT ON oddspipe.nba_odds_history TO oddspipe_nba;

GRANT SELECT ON oddspipe.nba_odds_latest TO oddspipe_nba;

GRANT oddspipe_nba TO oddspipe_analyst;

GRANT oddspipe_nba TO oddspipe_quant;

GRANT SELECT ON oddspipe.nba_events TO oddspipe_quant;

GRANT SELECT ON oddspipe.nba_tracking_by_second TO oddspipe_quant;

CREATE ROW POLICY IF NOT EXISTS settled_and_live ON oddspipe.nba_odds_history USING 1 TO oddspipe_nba, oddspipe_operator, default;

CREATE ROLE IF NOT EXISTS oddspipe_nfl;

GRANT SELECT ON oddspipe.nfl_odds_history TO oddspipe_nfl;

GRANT SELECT ON oddspipe.nfl_odds_latest TO oddspipe_nfl;

GRANT oddspipe_nfl TO oddspipe_analyst;

GRANT oddspipe_nfl TO oddspipe_quant;

GRANT SELECT ON oddspipe.nfl_events TO oddspipe_quant;

GRANT SELECT ON oddspipe.nfl_tracking_by_second TO oddspipe_quant;

CREATE ROW POLICY IF NOT EXISTS settled_and_live ON oddspipe.nfl_odds_history USING 1 TO oddspipe_nfl, oddspipe_operator, default;

GRANT ALL ON oddspipe.* TO oddspipe_operator;

CREATE ROLE IF NOT EXISTS oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.mlb_odds_history TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.mlb_events TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.mlb_tracking_by_second TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nba_odds_history TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nba_events TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nba_tracking_by_second TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nfl_odds_history TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nfl_events TO oddspipe_writer;

GRANT INSERT, SHOW TABLES ON oddspipe.nfl_tracking_by_second TO oddspipe_writer;

CREATE SETTINGS PROFILE IF NOT EXISTS oddspipe_readers SETTINGS readonly = 2, max_memory_usage = 8000000000 MAX 16000000000, max_execution_time = 60 MAX 300, max_rows_to_read = 1000000000 MAX 5000000000 TO oddspipe_analyst, oddspipe_quant;

CREATE QUOTA IF NOT EXISTS oddspipe_readers KEYED BY user_name FOR INTERVAL 1 hour MAX queries = 2000, execution_time = 3600 TO oddspipe_analyst, oddspipe_quant;

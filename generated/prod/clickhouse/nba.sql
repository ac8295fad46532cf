-- Rendered by oddspipe 0.1.0 from sports/nba.yaml.
-- Do not edit: change the spec and run `oddspipe render-infra`.

CREATE DATABASE IF NOT EXISTS oddspipe;

USE oddspipe;

CREATE TABLE IF NOT EXISTS nba_events (
    `number` UInt64,
    `event_id` String,
    `revision` UInt32,
    `game_id` LowCardinality(String),
    `sequence` UInt64,
    `event_time` DateTime64(6, 'UTC'),
    `ingest_time` DateTime64(6, 'UTC'),
    `kind` LowCardinality(String),
    `period` Nullable(UInt32),
    `clock` Nullable(UInt32),
    `home_score` Nullable(UInt32),
    `away_score` Nullable(UInt32),
    `player_id` LowCardinality(Nullable(String)),
    `value` Nullable(Float64),
    `trace` Nullable(String),
    `schema_version` Nullable(UInt32),
    `possession` LowCardinality(Nullable(String)),
    `action` LowCardinality(Nullable(String)),
    `spread_line` Nullable(Float64),
    `total_line` Nullable(Float64),
    `home_throws` Nullable(UInt32),
    `away_throws` Nullable(UInt32),
    `late` Bool,
    `after_gap` Bool
) ENGINE = MergeTree
ORDER BY (game_id, number)
TTL toDateTime(event_time) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS nba_tracking_by_second (
    `game_id` LowCardinality(String),
    `second` DateTime('UTC'),
    `count` SimpleAggregateFunction(sum, UInt64),
    `total` SimpleAggregateFunction(sum, Float64),
    `low` SimpleAggregateFunction(min, Nullable(Float64)),
    `high` SimpleAggregateFunction(max, Nullable(Float64))
) ENGINE = AggregatingMergeTree
ORDER BY (game_id, second)
TTL toDateTime(second) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS nba_odds_history (
    `number` UInt64,
    `game_id` LowCardinality(String),
    `odds_sequence` UInt64,
    `cause_sequence` UInt64,
    `cause_kind` UInt32,
    `cause_number` UInt64,
    `event_time` DateTime64(6, 'UTC'),
    `as_of` DateTime64(6, 'UTC'),
    `oldest_ingest` DateTime64(6, 'UTC'),
    `reason` LowCardinality(String),
    `home_score` Int64,
    `away_score` Int64,
    `period` Int64,
    `scope` LowCardinality(String),
    `market` LowCardinality(String),
    `line` Nullable(Float64),
    `is_main` Bool,
    `side` LowCardinality(String),
    `status` LowCardinality(String),
    `p_fair` Float64,
    `p_push` Float64,
    `p_booked` Float64,
    `decimal` Nullable(Float64),
    `plan` LowCardinality(String),
    `p_low` Nullable(Float64),
    `p_high` Nullable(Float64)
) ENGINE = MergeTree
ORDER BY (game_id, scope, market, odds_sequence, side)
TTL toDateTime(event_time) + INTERVAL 90 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, non_replicated_deduplication_window = 10000;

ALTER TABLE nba_odds_history ADD COLUMN IF NOT EXISTS `p_low` Nullable(Float64), ADD COLUMN IF NOT EXISTS `p_high` Nullable(Float64);

CREATE OR REPLACE VIEW nba_odds_latest AS
SELECT * FROM nba_odds_history
WHERE (game_id, scope, market, odds_sequence) IN (SELECT game_id, scope, market, max(odds_sequence) FROM nba_odds_history GROUP BY game_id, scope, market);

"""`oddspipe spec show`: every value, and where it comes from."""

import json

import pytest
from typer.testing import CliRunner

from oddspipe.cli.app import build

SHARED = """\
schema_version: 1
title: Shared
owner: {team: t, contact: c, pager: p}
feed: {protocol: kafka, topic: hoops.v1, brokers: {secret: kafka/hoops#brokers}}
event: {kinds: [play]}
state: {columns: {home_score: {take: last, of: home_score}}}
odds: {markets: {moneyline: {}}}
sinks:
  current:
    kind: redis
    guarantee: effectively_once
    url: {env: HOOPS_REDIS, default: 'redis://me:hush@cache:6379/0'}
schedule:
  zone: UTC
  season: {from: 01-01, to: 12-31}
  game_length: 2h
  windows: [{day: daily, kickoff: '12:00', games: 1}]
load: {peak_rate: 10/s, games_at_once: 1, updates_per_game: 100}
made_game: {periods: 4, period_length: 12m, length: 2h, plays: 100, points: {2: 20%}}
"""
SPORT = """\
extends: shared.yaml
sport: hoops
title: Hoops
model: {name: nba}
state:
  columns: {away_score: {take: last, of: away_score}}
  derive: {time_left: 0, period: 1, possession: 0, spread_line: 0, total_line: 200, home_throws: 0,
           away_throws: 0, home_half: 0, away_half: 0}
"""


@pytest.fixture
def shown(tmp_path, monkeypatch):
    (tmp_path / "shared.yaml").write_text(SHARED)
    (tmp_path / "hoops.yaml").write_text(SPORT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOOPS_REDIS", raising=False)

    def show(*words: str) -> str:
        done = CliRunner().invoke(build(), ["spec", "show", "--sport", "hoops.yaml", *words])
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    return show


def lines(text: str) -> dict[str, str]:
    return {line.split(":")[0]: " ".join(line.split()) for line in text.splitlines()}


def test_each_value_says_the_file_and_line_that_it_is_written_in(shown) -> None:
    got = lines(shown())

    assert got["title"] == "title: Hoops # hoops.yaml:3"
    assert got["state.columns.home_score.of"].endswith("# shared.yaml:6")
    assert got["state.columns.away_score.of"].endswith("# hoops.yaml:6")


def test_value_that_nobody_wrote_is_called_a_default_and_has_its_unit(shown) -> None:
    got = lines(shown())

    assert got["order.window"] == "order.window: 2s # default"
    assert got["feed.max_payload"] == "feed.max_payload: 64KiB # default"


def test_secret_stays_a_reference_and_a_login_is_cut_out(shown) -> None:
    text = shown()
    got = lines(text)

    assert got["feed.brokers"] == "feed.brokers: {secret: kafka/hoops#brokers} # shared.yaml:4"
    assert got["sinks.current.url"] == (
        "sinks.current.url: redis://cache:6379/0 # shared.yaml:12, default of $HOOPS_REDIS"
    )
    assert "hush" not in text + shown("--format", "json")


def test_json_gives_path_value_and_origin(shown, monkeypatch) -> None:
    monkeypatch.setenv("HOOPS_REDIS", "redis://elsewhere:6379/1")

    values = {".".join(map(str, one["path"])): one for one in json.loads(shown("--format", "json"))}

    assert values["sinks.current.url"] == {
        "path": ["sinks", "current", "url"], "value": "redis://elsewhere:6379/1",
        "file": "shared.yaml", "line": 12, "column": 10, "origin": "$HOOPS_REDIS",
    }  # fmt: skip
    assert values["duplicates.window"]["origin"] == "default"

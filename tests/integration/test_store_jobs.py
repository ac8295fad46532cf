"""The real engine backs up, restores, archives and answers by what is rendered."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from docs.make import sample
from tests.plan_cases import ROOT

from oddspipe.core.adapters.clickhouse.rows import odds_history
from oddspipe.core.infra import verify

pytestmark = pytest.mark.integration
session = pytest.importorskip("chdb.session", reason="chdb is in the extra 'embedded'")

RENDERED = ROOT / "generated/prod/clickhouse"
DISKS = """<clickhouse>
  <storage_configuration><disks><backups><type>local</type><path>{0}/</path></backups></disks></storage_configuration>
  <backups><allowed_disk>backups</allowed_disk></backups>
</clickhouse>
"""
# clickhouse-client's words on the engine in process; a folder stands for the bucket.
CLIENT = """import re, sys
from pathlib import Path
from chdb.session import Session
from oddspipe.core.infra.verify import statements
place, bucket, *words = sys.argv[1:]
given = dict(w.removeprefix("--param_").split("=", 1) for w in words if w.startswith("--param_"))
one = Session(place)
try:
    for text in statements(Path(words[words.index("--queries-file") + 1])):
        text = re.sub(r"s3\\(archive, filename = (.*), format = 'Parquet'\\)",
                      f"file(concat('{bucket}/', \\\\1), 'Parquet')", text)
        text = text.replace("s3_truncate_on_insert", "engine_file_truncate_on_insert")
        named = {k: v for k, v in given.items() if "{" + k + ":" in text}
        print(one.query(text, "TSV", params=named or None), end="")
except Exception as error:
    sys.exit(str(error))
finally:
    one.close()
"""


class Store:
    """A server of ClickHouse with its jobs, in a folder."""

    def __init__(self, folder):
        self.folder, self.jobs = folder, folder / "jobs"
        for name in ("backups", "state", "metrics", "bucket/parquet/nfl_odds_history"):
            (folder / name).mkdir(parents=True)
        for sport in ("mlb", "nba"):
            (folder / f"bucket/parquet/{sport}_odds_history").mkdir()
        (folder / "disks.xml").write_text(DISKS.format(folder / "backups"))
        (folder / "client.py").write_text(CLIENT)
        shutil.copytree(RENDERED / "jobs", self.jobs)
        self.place = f"{folder}/data?config-file={folder}/disks.xml"

    def query(self, *texts, **params):
        """Run statements; return the last one's rows."""
        one = session.Session(self.place)
        try:
            for text in texts:
                found = one.query(text, "JSONEachRow", params=params or None)
            return [json.loads(line) for line in found.bytes().decode().splitlines()]
        finally:
            one.close()

    def job(self, *words):
        """Run a job as a timer does; return its code and what it says."""
        client = f"{sys.executable} {self.folder}/client.py {self.place} {self.folder}/bucket"
        done = subprocess.run(
            ["/bin/sh", self.jobs / "run.sh", *words], capture_output=True, text=True, check=False,
            env={**os.environ, "CLIENT": client, "STATE": str(self.folder / "state"),
                 "METRICS": str(self.folder / "metrics")}, cwd=ROOT,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def told(self):
        return {one.name for one in (self.folder / "metrics").iterdir()}


def rows(sequence, days):
    """Return the statement that adds the odds once more, as they were some days ago."""
    return (
        f"INSERT INTO oddspipe.nfl_odds_history SELECT * REPLACE (odds_sequence + {sequence} AS "
        f"odds_sequence, now64(6, 'UTC') - INTERVAL {days} DAY AS event_time) "
        "FROM (SELECT * FROM oddspipe.nfl_odds_history WHERE odds_sequence < 1000)"
    )


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path)
    tables = [
        one
        for sport in ("mlb", "nba", "nfl")
        for one in verify.statements(RENDERED / f"{sport}.sql")
    ]
    # As it were of yesterday: what is older than the tables keep would go at once.
    recent = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251 - the engine's
    frame = odds_history(sample.output(), "plan")
    frame = frame.with_columns(event_time=pl.lit(recent).cast(frame.schema["event_time"]))
    frame.write_parquet(tmp_path / "odds.parquet")
    takes = f"INSERT INTO nfl_odds_history FROM INFILE '{tmp_path}/odds.parquet' FORMAT Parquet"
    made.query(*tables, takes, rows(1000, 5))
    return made


COUNT = "SELECT count() AS n FROM {}.nfl_odds_history"


def test_backups_build_on_each_other_and_a_drill_compares_what_they_hold(store):
    code, said = store.job("backup-more")
    assert code == 1
    assert "run backup-full" in said
    assert store.job("backup-full")[0] == 0
    store.query(rows(2000, 4))
    code, said = store.job("backup-more")
    assert code == 0, said

    names = sorted(one.name.split("-")[0] for one in (store.folder / "backups").iterdir())
    assert names == ["full", "more"]
    code, said = store.job("drill")
    assert code == 0, said
    assert store.query("SHOW DATABASES LIKE 'oddspipe%'") == [{"name": "oddspipe"}]
    assert store.told() == {
        f"oddspipe_job_{one}.prom" for one in ("backup-full", "backup-more", "drill")
    }
    # What came after the backup is no difference; what is gone from it is one.
    store.query(rows(3000, 0))
    assert store.job("drill")[0] == 0
    store.query(
        "ALTER TABLE oddspipe.nfl_odds_history DELETE WHERE odds_sequence BETWEEN 2000 AND 2999 "
        "SETTINGS mutations_sync = 2"
    )
    (store.folder / "metrics/oddspipe_job_drill.prom").unlink()
    code, said = store.job("drill")
    assert code != 0
    assert "nfl_odds_history: the restored rows differ" in said
    assert "oddspipe_job_drill.prom" not in store.told()


def test_a_restored_database_holds_every_table_and_row(store):
    store.job("backup-full")
    name = (store.folder / "state/last").read_text().strip()
    store.query(f"RESTORE DATABASE oddspipe AS aside FROM Disk('backups', '{name}')")
    assert store.query("SHOW TABLES FROM aside") == store.query("SHOW TABLES FROM oddspipe")
    assert store.query(COUNT.format("aside")) == store.query(COUNT.format("oddspipe"))


def test_a_day_is_archived_whole_and_again(store):
    (day,) = store.query("SELECT toString(toDate(now('UTC') - INTERVAL 5 DAY)) AS day")
    for _ in range(2):
        code, said = store.job("export", day["day"])
        assert code == 0, said
    file = f"{store.folder}/bucket/parquet/nfl_odds_history/{day['day']}.parquet"
    (archived,) = store.query(f"SELECT count() AS n FROM file('{file}', 'Parquet')")
    (held,) = store.query(f"{COUNT.format('oddspipe')} WHERE odds_sequence > 1000")
    assert archived == held
    assert int(held["n"]) > 1


def test_an_archive_that_lacks_rows_is_told(store):
    (day,) = store.query("SELECT toString(toDate(now('UTC') - INTERVAL 5 DAY)) AS day")
    file = store.jobs / "export.sql"
    file.write_text(
        file.read_text().replace("{day:Date}\nSETTINGS", "{day:Date} LIMIT 3\nSETTINGS")
    )
    code, said = store.job("export", day["day"])
    assert code != 0
    assert "nfl_odds_history: the archive has other rows" in said
    assert store.told() == set()


def test_the_server_takes_the_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("ODDS_BACKUPS", "http://127.0.0.1:9/bucket/clickhouse/")
    monkeypatch.setenv("ODDS_ARCHIVE", "http://127.0.0.1:9/bucket/")
    one = session.Session(f"{tmp_path}/data?config-file={RENDERED}/jobs/backups.xml")
    try:
        disks = str(one.query("SELECT name, object_storage_type FROM system.disks", "TSV"))
        assert re.search(r"backups\tS3", disks)
        with pytest.raises(Exception, match="Connection refused"):
            one.query("SELECT * FROM s3(archive, filename = 'a', format = 'LineAsString') "
                      "SETTINGS s3_max_redirects = 1, s3_retry_attempts = 0")  # fmt: skip
    finally:
        one.close()


def test_timers_are_read_by_systemd_and_start_a_job_that_is_there():
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    for file in sorted((RENDERED / "jobs").glob("*.timer")):
        when = re.search(r"OnCalendar=(.*)", file.read_text())[1]
        done = subprocess.run(
            [program, "calendar", when], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        unit = re.search(r"Unit=(.*)", file.read_text())[1]
        assert (RENDERED / "jobs" / unit).exists()
        word = unit.removeprefix("oddspipe-").removesuffix(".service")
        assert f"run.sh {word}\n" in (RENDERED / "jobs" / unit).read_text()
        assert f"  {word})\n" in (RENDERED / "jobs" / "run.sh").read_text()


def asked(store, name, **params):
    """Return the answer to a rendered query of NFL."""
    (sql,) = verify.statements(RENDERED / "queries/nfl" / f"{name}.sql")
    assert set(re.findall(r"\{(\w+):", sql)) == set(params)
    return store.query(sql, **params)


def test_analysts_queries_answer_from_the_tables_that_are_rendered(store):
    day = datetime.now(UTC).date()  # noqa: TID251 - the engine's
    days = {"since": str(day - timedelta(days=2)), "until": str(day + timedelta(days=1))}
    history = store.query("SELECT * FROM oddspipe.nfl_odds_history WHERE odds_sequence < 1000")
    main = [one for one in history if one["is_main"] and one["market"] == "moneyline"]
    assert len(main) == 2

    path = asked(store, "path_of_a_price", game="BUF_KC", market="moneyline")
    assert [int(one["odds_sequence"]) for one in path] == [12, 12, 1012, 1012]
    assert {one["side"]: one["decimal"] for one in path} == {
        one["side"]: one["decimal"] for one in main
    }
    (margin,) = [
        one for one in asked(store, "margin_by_market", **days) if one["market"] == "moneyline"
    ]
    assert margin["boards"] in {1, "1"}
    assert margin["margin"] == pytest.approx(sum(one["p_booked"] for one in main) - 1, abs=1e-5)
    # The score is 7 to 0 already, and no market is suspended.
    assert asked(store, "last_open_prices", **days) == []
    assert asked(store, "suspensions", **days) == []
    (delay,) = asked(store, "delay_by_day", **days)
    assert int(delay["messages"]) == 1
    assert delay["delay_us"] == [20_000.0] * 3
    # Before the score, and with a suspension, they answer.
    store.query(
        "INSERT INTO oddspipe.nfl_odds_history SELECT * REPLACE (2000 AS odds_sequence, "
        "0 AS home_score) FROM (SELECT * FROM oddspipe.nfl_odds_history WHERE odds_sequence = 12)",
        "INSERT INTO oddspipe.nfl_odds_history SELECT * REPLACE (2001 AS odds_sequence, "
        "'suspended' AS status) FROM (SELECT * FROM oddspipe.nfl_odds_history "
        "WHERE odds_sequence = 12)",
    )
    last = asked(store, "last_open_prices", **days)
    assert {(one["market"], one["side"]) for one in last} == {
        (one["market"], one["side"]) for one in history if one["is_main"]
    }
    told = asked(store, "suspensions", **days)
    assert {one["market"]: int(one["times"]) for one in told} == {
        one["market"]: 1 for one in history
    }


@pytest.mark.parametrize("sport", ["mlb", "nba"])
def test_analysts_queries_of_other_sports_are_those_of_their_tables(store, sport):
    for file in sorted((RENDERED / "queries" / sport).glob("*.sql")):
        (sql,) = verify.statements(file)
        given = {"since": "2026-09-01", "until": "2026-09-02", "game": "A", "market": "total"}
        named = {key: value for key, value in given.items() if f"{{{key}:" in sql}
        assert store.query(sql, **named) == []
        assert f"oddspipe.{sport}_odds_history" in sql

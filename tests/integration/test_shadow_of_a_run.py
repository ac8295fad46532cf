"""A shadow in the real commands: what partners get is the same bytes, what it says is kept once."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.integration.committed import committed
from tests.integration.test_kill_and_resume import recorded  # noqa: F401 - a fixture
from tests.replay_cases import ODDSPIPE

from oddspipe.core.adapters.redis.client import connect
from oddspipe.core.adapters.redis.embedded import EmbeddedRedis
from oddspipe.core.services import clickhouse, process

pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")
client_of = pytest.importorskip("clickhouse_connect", reason="it is in 'embedded'").get_client
from tests.integration.test_run_over_kafka import SPEC as OVER_KAFKA  # noqa: E402
from tests.integration.test_run_over_kafka import Sport  # noqa: E402

from oddspipe.core.adapters.partner_messages import messages  # noqa: E402
from oddspipe.core.batch.batch import Payloads  # noqa: E402

pytestmark = pytest.mark.integration
SPEC = """extends: oddspipe.sports:nfl.yaml
sinks: {current: {ttl: 600s}}
"""
SHADOW = "model: {shadow: {name: nfl_stern, parameters: {home_edge: 1.5}, deadline: 30s}}\n"
FRAIL = """
import threading
from oddspipe.plugins.nfl_stern import NflSternModel

class Late:
    def margin(self):
        threading.Event().wait(60)

    total = home = away = margin


class Frail(NflSternModel):
    def price(self, states):
        made = super().price(states)
        FAILS
"""
LOOK = """
import json, sys
from pathlib import Path
from oddspipe.core.adapters.clickhouse.client import open_embedded
client = open_embedded(Path(sys.argv[1]))
def ask(sql):
    return client.query(sql).result_rows
made = [name for (name,) in ask("SHOW TABLES")]
HELD = "SELECT count(), sum(cityHash64(toString(tuple(*)))) FROM "
print(json.dumps({
    name: [str(value) for value in ask(HELD + name)[0]]
    for name in sorted(made) if name != "nfl_odds_latest"
}))
"""
JOINED = """
SELECT count(), countIf(s.p_fair != h.p_fair), uniqExact(s.model, s.model_version, s.model_digest)
FROM {0}_shadow_odds AS s INNER JOIN {0}_odds_history AS h
USING (game_id, odds_sequence, scope, market, side, is_main)
WHERE s.is_main AND s.number = h.number
"""


def begun(data: Path, folder: Path, *more: str, environ=None) -> subprocess.Popen:
    words = ("run", "--spec", "spec.yaml", "--data", data, "--max-speed", "--no-live",
             "--state", "state", "--report", "report.json", "--odds-out", "odds.parquet",
             *more)  # fmt: skip
    return subprocess.Popen(
        [ODDSPIPE, *map(str, words)], cwd=folder, text=True,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def finished(data: Path, folder: Path, *more: str, environ=None) -> dict:
    running = begun(data, folder, *more, environ=environ)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    return json.loads((folder / "report.json").read_text()) | {"said": said}


def cache(folder: Path) -> dict:
    """Return all that the cache holds; when it was written is no part of it."""
    server = EmbeddedRedis(folder / "state" / "redis")
    server.start()
    try:
        client = connect(socket=server.socket)
        found = {key: client.hgetall(key) for key in client.scan_iter(match="odds*")}
        client.close()
    finally:
        server.stop()
    return found


def published(folder: Path) -> dict:
    """Return what others read."""
    partners = sorted((folder / "state" / "partners").rglob("*.ndjson"))
    return {
        "odds": (folder / "odds.parquet").read_bytes(),
        "partners": {one.name: one.read_bytes() for one in partners},
        "cache": cache(folder),
    }


def tables(folder: Path) -> dict:
    """Return count and hash of each table."""
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder / "state" / "clickhouse")],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(looked.stdout)


@pytest.fixture(scope="module")
def alone(recorded, tmp_path_factory):  # noqa: F811 - the fixture
    folder = tmp_path_factory.mktemp("alone")
    (folder / "spec.yaml").write_text(SPEC)
    return finished(recorded, folder), published(folder), tables(folder)


@pytest.fixture(scope="module")
def beside(recorded, tmp_path_factory):  # noqa: F811 - the fixture
    folder = tmp_path_factory.mktemp("beside")
    (folder / "spec.yaml").write_text(SPEC + SHADOW)
    return finished(recorded, folder), published(folder), tables(folder)


@pytest.mark.proves("same", "partners", "price")
def test_cache_partners_and_history_hold_the_same_bytes_with_and_without_a_shadow(
    alone, beside
) -> None:
    (report, before, rows), (with_shadow, after, more) = alone, beside

    assert len(before["cache"]) == 8  # odds and memory of four games
    assert before == after
    assert {name: more[name] for name in rows} == rows
    assert with_shadow["odds_sha256"] == report["odds_sha256"]
    assert with_shadow["plan"] == report["plan"]
    assert with_shadow["deployment"] != report["deployment"]
    assert report["shadow"] is None
    assert "nfl_shadow_odds" not in rows


def test_the_shadow_is_recorded_and_scored(beside) -> None:
    report, _, rows = beside

    assert int(rows["nfl_shadow_odds"][0]) > 0.9 * int(rows["nfl_odds_history"][0])
    shadow = report["shadow"]
    assert (shadow["model"], shadow["failures"], shadow["off"]) == ("nfl_stern 1", 0, None)
    assert shadow["accuracy"]["games"] == report["accuracy"]["games"] > 0
    assert shadow["accuracy"]["brier"] != report["accuracy"]["brier"]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.proves("kill", "clickhouse")
def test_a_run_that_is_killed_and_resumed_records_what_one_without_a_kill_does(
    beside, recorded, tmp_path, seed  # noqa: F811 - the fixture
) -> None:  # fmt: skip
    made = random.Random(seed)
    (tmp_path / "spec.yaml").write_text(SPEC + SHADOW)
    for _ in range(3):
        there = (tmp_path / "state" / "run.json").exists()
        running = begun(recorded, tmp_path, *(["--resume"] if there else []))
        try:
            running.communicate(timeout=made.uniform(1.0, 2.5))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.communicate()
    there = (tmp_path / "state" / "run.json").exists()
    report = finished(recorded, tmp_path, *(["--resume"] if there else []))

    assert tables(tmp_path) == beside[2]
    assert report["shadow"]["accuracy"] == beside[0]["shadow"]["accuracy"]


FAILURES = {
    "raises": ("raise ZeroDivisionError('no pace')", "ZeroDivisionError: no pace"),
    "wrong": ("return {'half': made['game']}", "no distribution for scope 'game'"),
    "hangs": ("threading.Event().wait(60)", "did not answer within 0.2 s"),
    "hangs later": ("return {'game': Late()}", "did not answer within 0.2 s"),
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.proves("told", "price")
def test_a_failing_shadow_is_told_once_counted_and_off(
    alone, recorded, tmp_path, how  # noqa: F811 - the fixture
) -> None:  # fmt: skip
    fails, why = FAILURES[how]
    (tmp_path / "spec.yaml").write_text(
        SPEC + SHADOW.replace("nfl_stern", "frail").replace("30s", "200ms")
    )
    frail = tmp_path / "site" / "frail"
    frail.mkdir(parents=True)
    (frail / "__init__.py").write_text(FRAIL.replace("FAILS", fails))
    told = tmp_path / "site" / "oddspipe_frail-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.4\nName: oddspipe-frail\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[oddspipe.models]\nfrail = frail:Frail\n")

    report = finished(recorded, tmp_path, environ={"PYTHONPATH": str(tmp_path / "site")})

    shadow = report["shadow"]
    assert report["odds_sha256"] == alone[0]["odds_sha256"]
    assert shadow["failures"] >= 100
    assert why in shadow["off"]
    assert shadow["accuracy"]["games"] == 0
    assert report["said"].count("the shadow is off until the next start") == 1
    assert published(tmp_path) == alone[1]


def straight(plan, records) -> list[bytes]:
    """Return what the shadow says of a partition's feed, in one pass without Kafka."""
    from oddspipe.core.assemble import shadow_origin_of  # noqa: PLC0415 - after the skips
    from oddspipe.core.assemble_models import Shadows, model_of  # noqa: PLC0415
    from oddspipe.core.runtime.chain import PartitionChain  # noqa: PLC0415

    given = Payloads.of(
        [one.value() for one in records],
        ingest_us=np.array([one.timestamp()[1] * 1000 for one in records], np.int64),
    )
    output = PartitionChain(plan, model_of(plan), shadow=Shadows(plan).one()).step(given)
    said = replace(output, odds=output.shadow)
    return messages(said, shadow_origin_of(plan), ("decimal",)).splitlines()


@pytest.fixture(scope="module")
def killed(tmp_path_factory, brokers):
    """Return a sport over Kafka whose workers were killed and then came to the end."""
    folder = tmp_path_factory.mktemp("shaded")
    home = folder / "clickhouse"
    server = clickhouse.start(home, port=process.free_port()).endpoint
    sport = Sport(folder, "shaded", brokers)
    platform = folder / "platform.yaml"
    platform.write_text(f"{platform.read_text()}    clickhouse: {{url: '{server}'}}\n")
    (folder / "spec.yaml").write_text(OVER_KAFKA.replace("SPORT", "shaded") + SHADOW)
    try:
        feed = sport.begun("feed", "serve", "--rate", "4000", "--duration", "9", "--seed", "7")
        for _ in range(2):
            worker = sport.begun("run", "--sinks", "history")
            try:
                worker.wait(4)
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
            worker.wait()
        assert feed.wait(60) == 0
        sport.done("run", "--sinks", "history", "--until", "idle", "--report", "report.json")
        yield sport, server, committed(brokers, "shaded.shadow.v1", 3)
    finally:
        process.stop(home)


@pytest.mark.proves("kill", "kafka")
@pytest.mark.proves("same", "kafka")
def test_over_kafka_killed_workers_leave_each_record_of_the_shadow_once(killed, brokers) -> None:
    from oddspipe.core.plan.load import plan_for  # noqa: PLC0415 - after the skips

    sport, _, said = killed
    fed = committed(brokers, "shaded.feed", 3)
    plan = plan_for(
        sport.folder / "spec.yaml", platform=sport.folder / "platform.yaml",
        environment="dev", environ=sport.environ,
    )  # fmt: skip

    for partition, records in enumerate(said):
        assert [one.value() for one in records] == straight(plan, fed[partition])
    assert sum(map(len, said)) > 20
    assert sport.verified()["sound"]


@pytest.mark.proves("kill", "clickhouse")
@pytest.mark.proves("twice", "clickhouse")
@pytest.mark.proves("loss", "clickhouse")
def test_the_server_holds_each_record_of_the_shadow_once_and_joins_them(killed) -> None:
    sport, server, said = killed
    lines = [json.loads(one.value()) for part in said for one in part]
    sides = sum(len(line["sides"]) for one in lines for line in one["markets"])
    client = client_of(dsn=server, database="oddspipe")

    rows = client.query(
        "SELECT count(), uniqExact(game_id, odds_sequence) FROM shaded_shadow_odds"
    ).result_rows[0]
    joined, differ, models = client.query(JOINED.format("shaded")).result_rows[0]

    assert rows == (sides, len(lines))
    assert joined > len(lines)
    assert differ > joined / 2
    assert models == 1
    report = json.loads((sport.folder / "report.json").read_text())
    assert report["sinks"]["history.shadow"]["behind"] == 0

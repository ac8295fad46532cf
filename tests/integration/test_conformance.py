"""Every source and every sink that comes with oddspipe passes the kit that guests use."""

import errno
import os
import signal
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.plan_cases import plan
from tests.replay_cases import nba_rows, recorded

from oddspipe.core.adapters.clickhouse.client import ClickHouse, Stored, open_embedded
from oddspipe.core.adapters.clickhouse.reading import query
from oddspipe.core.adapters.dead_letters import DeadLetters, letters
from oddspipe.core.adapters.live.source import LiveSource
from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.adapters.memory import MemorySink, MemorySource
from oddspipe.core.adapters.odds_file import OddsFile
from oddspipe.core.adapters.partner_log import PartnerLog
from oddspipe.core.adapters.redis.client import Lifetimes, RedisCurrent, connect, read_current
from oddspipe.core.adapters.redis.embedded import EmbeddedRedis
from oddspipe.core.assemble import Input, origin_of, source_of
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError
from oddspipe.core.testing.finding import faults
from oddspipe.core.testing.samples import sample_outputs
from oddspipe.core.testing.sink import SinkCase, check_sink
from oddspipe.core.testing.source import SourceCase, check_source

pytestmark = pytest.mark.integration

HOUR_US = 3_600_000_000
LIFETIMES = Lifetimes(HOUR_US, HOUR_US, HOUR_US, HOUR_US)
FULL = OSError(errno.ENOSPC, "No space left on device")
SHORT = {"games": 1, "duration_s": 10.0, "rate": 30}


def passes(results):
    """Assert that there is no fault, and that no check was left out."""
    assert faults(results) == []
    return [one.name for one in results if one.note.startswith("not asked")]


# Sources.


def made(**given):
    return source_of(plan("nba"), Input(**given), None)


def payloads():
    source = made(**SHORT)
    source.open(0)
    found = []
    while (batch := source.poll(0)) is not None:
        found += [batch] if len(batch) else []
    return found


@pytest.mark.parametrize(
    "given",
    [SHORT, {**SHORT, "faults": "duplicates=5%,corrupt=5%,gaps=1%"}, {"games": 2}],
    ids=["short", "faults", "long"],
)
def test_the_simulator_conforms(given):
    assert passes(check_source(SourceCase(lambda: made(**given)))) == [
        "says that it cannot be opened"
    ]


def test_a_source_in_memory_conforms():
    found = payloads()

    passes(check_source(SourceCase(lambda: MemorySource(found))))


@pytest.mark.parametrize("source", ["replay", "simulator"])
def test_recorded_games_conform(source, tmp_path):
    days = [nba_rows(f"g{day}a", f"g{day}b", day=f"2023-01-1{day}") for day in range(3)]
    data = recorded(tmp_path / "data", pl.concat(days))
    (tmp_path / "none").mkdir()
    more = {"games": 2, "duration_s": 60.0} if source == "simulator" else {}

    left_out = passes(
        check_source(
            SourceCase(
                lambda: made(source=source, folder=str(data), **more),
                broken=lambda: made(source=source, folder=str(tmp_path / "none"), **more),
            )
        )
    )

    assert left_out == []


def test_captured_messages_conform(tmp_path):
    (tmp_path / "nba").mkdir()
    lines = [f'{{"n": {number}}}\n' for number in range(3000)]
    (tmp_path / "nba" / "1.ndjson").write_text("".join(lines[:1000]))
    (tmp_path / "nba" / "2.ndjson").write_text("".join(lines[1000:]))

    passes(check_source(SourceCase(lambda: made(source="replay", folder=str(tmp_path)))))


class Receiver:
    """Has forty messages, and goes on where it stood."""

    name = "test"
    tells = False

    def receive(self, inbox):
        for at in range(int(inbox.cursor or b"0"), 10):
            inbox.take([b'{"n": %d}' % number for number in range(4)], b"%d" % (at + 1))
        while not inbox.stopped:
            inbox._stopped.wait(0.05)


class Refused(Receiver):
    def receive(self, _inbox):
        raise RunError("the login is wrong")


def live(folder, receiver, *, raw):
    return LiveSource(
        plan("nba"), receiver(), Spool(folder, 1 << 20), lambda: 0, SystemClock(), raw=raw
    )


@pytest.mark.parametrize("raw", [False, True])
def test_a_live_feed_conforms(raw, tmp_path):
    left_out = passes(
        check_source(
            SourceCase(
                partial(live, tmp_path / "spool", Receiver, raw=raw),
                broken=partial(live, tmp_path / "other", Refused, raw=raw),
                most=40,
                poll_us=100_000,
            )
        )
    )

    assert left_out == []


# Sinks.


@cache
def outputs(step_rows):
    return tuple(sample_outputs(plan("nba"), step_rows=step_rows))


def case(make, read, folder, **more):
    return SinkCase(make, read, folder, outputs(500), outputs(1300), **more)


def a_file_in_its_way(make, folder):
    """Return a sink where there is a file in the place of its folder."""
    (folder / "file").write_text("")
    return make(folder / "file")


@contextmanager
def full_disk(_folder, _sink):
    with (
        mock.patch("os.write", side_effect=FULL),
        mock.patch("polars.DataFrame.write_ipc", side_effect=FULL),
    ):
        yield


def partner_log(folder):
    return PartnerLog(
        folder,
        origin=origin_of(plan("nba")),
        partners={"acme": ("decimal",), "zenith": ("american", "decimal")},
    )


def partner_lines(folder):
    return [
        (path.parent.name, line)
        for path in sorted(folder.glob("*/*.ndjson"))
        for line in path.read_bytes().splitlines()
    ]


def test_the_log_of_one_partner_is_appended_in_order(tmp_path):
    def make(folder):
        return PartnerLog(folder, origin=origin_of(plan("nba")), partners={"acme": ("decimal",)})

    left_out = passes(
        check_sink(
            case(
                make, partner_lines, tmp_path,
                broken=partial(a_file_in_its_way, make), trouble=full_disk,
            )
        )
    )  # fmt: skip

    assert left_out == []


def test_the_logs_of_two_partners_conform(tmp_path):
    def by_partner(folder):
        found = {}
        for partner, line in partner_lines(folder):
            found.setdefault(partner, []).append(line)
        return found

    passes(check_sink(case(partner_log, by_partner, tmp_path, trouble=full_disk)))


def dead_letters(folder):
    return DeadLetters(folder / "dead.ndjson", fields=(), rules=(), plan="cafe")


def by_place(folder):
    """Return the letters of each place; they lie in the order of the steps that gave them."""
    found = {}
    for one in letters(folder / "dead.ndjson"):
        found.setdefault((one.stage, one.position), []).append((one.reason, one.payload))
    return found


def test_dead_letters_conform(tmp_path):
    left_out = passes(
        check_sink(
            case(
                dead_letters, by_place, tmp_path,
                broken=partial(a_file_in_its_way, dead_letters), trouble=full_disk,
            )
        )
    )  # fmt: skip

    assert left_out == []


def odds_file(folder):
    return OddsFile(folder / "odds.parquet", segments=folder / "segments")


def price_rows(folder):
    return pl.read_parquet(folder / "odds.parquet").write_csv().splitlines()


def test_the_odds_file_conforms(tmp_path):
    left_out = passes(
        check_sink(
            case(
                odds_file, price_rows, tmp_path,
                broken=partial(a_file_in_its_way, odds_file), trouble=full_disk,
            )
        )
    )  # fmt: skip

    assert left_out == []


def test_a_sink_in_memory_conforms(tmp_path):
    kept: dict[Path, MemorySink] = {}

    def make(folder):
        return kept.setdefault(folder, MemorySink())

    def read(folder):
        return [
            (number, output.games[game])
            for output in kept[folder].outputs
            for number, game in zip(
                output.odds.number.tolist(), output.odds.game.tolist(), strict=True
            )
        ]

    passes(check_sink(case(make, read, tmp_path)))


def redis(folder):
    return RedisCurrent("nba", lifetimes=LIFETIMES, embedded=EmbeddedRedis(folder))


def current(folder):
    server = EmbeddedRedis(folder)
    server.start()
    client = connect(socket=server.socket)
    found = read_current(client, "nba")
    client.close()
    server.stop()
    return found


@contextmanager
def ended_server(folder, _sink):
    os.kill(int((folder / "redis.pid").read_text()), signal.SIGKILL)
    yield


def test_redis_conforms(tmp_path):
    def nowhere(_folder):
        return RedisCurrent("nba", lifetimes=LIFETIMES, url="redis://localhost:1/0")

    left_out = passes(
        check_sink(case(redis, current, tmp_path, broken=nowhere, trouble=ended_server))
    )

    assert left_out == []


def clickhouse(folder):
    nba = plan("nba")
    stored = Stored("nba", nba.layout, nba.kinds, {}, nba.logic_digest)
    return ClickHouse(lambda: open_embedded(folder), stored=stored)


def tables(folder):
    sql = "SELECT count(), uniqExact(number), sum(cityHash64(*)) FROM nba_"
    return {
        name: query(folder, sql + name)[1]
        for name in ("events", "tracking_by_second", "odds_history")
    }


@contextmanager
def engine_without_room(_folder, sink):
    refused = DatabaseError("Code: 243. NOT_ENOUGH_SPACE")
    with mock.patch.object(sink._client, "raw_insert", side_effect=refused):
        yield


def test_clickhouse_conforms(tmp_path):
    left_out = passes(
        check_sink(
            case(
                clickhouse, tables, tmp_path,
                # One process has one engine: what a kill leaves, test_kill_and_resume sees.
                crash=ClickHouse.close,
                broken=partial(a_file_in_its_way, clickhouse), trouble=engine_without_room,
            )
        )
    )  # fmt: skip

    assert left_out == []

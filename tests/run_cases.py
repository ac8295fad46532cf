"""A small sport, a noisy feed and its source, for the tests of a whole run."""

import random
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, odds
from tests.pricing_model import NormalModel

from oddspipe.core.adapters.dead_letters import DeadLetters
from oddspipe.core.adapters.odds_digest import OddsDigest
from oddspipe.core.adapters.odds_file import OddsFile
from oddspipe.core.adapters.state_folder import StateFolder
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError
from oddspipe.core.names import Kind, LatePolicy
from oddspipe.core.parts import (
    Deployment,
    Duplicates,
    FeedPlan,
    Load,
    MadeGame,
    ModelPlan,
    Order,
    Owner,
    Schedule,
)
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.feed import Feed
from oddspipe.core.runtime.fused import FusedRunner, Parts
from oddspipe.core.runtime.lane import Lane
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.recover import Keeper, newest

PLAN = Plan(
    sport="test",
    title="A test",
    owner=Owner("team", "team@example.com", "pager"),
    schema_version=1,
    layout=LAYOUT,
    kinds=KINDS,
    feed=FeedPlan("simulator", "event", 5_000_000, 1, "game_id", 10**12, {}, (), (), None),
    max_payload_bytes=65536,
    rules=RULES,
    duplicates=Duplicates(2_000_000),
    order=Order(1, 200_000, LatePolicy.AMEND, 1000, 10_000),
    state=STATE,
    derived=(),
    model=ModelPlan("test", "1", {}, ("game",), ()),
    odds=odds(),
    sinks=(),
    schedule=Schedule("UTC", "01-01", "12-31", (), 10**10),
    load=Load(1000, 2, 1000, 0.9, 0.05, ()),
    made_game=MadeGame(4, 900_000_000, 10, 10**10, ((1, 0.1),), (), ()),
    alerts={},
    snapshot_interval_us=20_000,
    tests=(),
    deployment=Deployment("local", "simulator", {}),
    logic_digest="a" * 64,
    deployment_digest="b" * 64,
)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def payload(game: str, sequence: int, kind: Kind, **fields: int) -> bytes:
    """Encode one event; fields are period, clock, home and away."""
    number = {"period": 8, "clock": 9, "home": 10, "away": 11}
    event_id = f"{game}-{sequence}".encode()
    parts = [b"\x0a", varint(len(event_id)), event_id, b"\x1a", varint(len(game)), game.encode()]
    parts += [b"\x20", varint(sequence), b"\x38", varint(kind)]
    for name, value in fields.items():
        parts += [varint(number[name] << 3), varint(value)]
    return b"".join(parts)


def clean_game(name: str, events: int, made: random.Random) -> list[bytes]:
    """Make the events of one game in order; now and then a score falls, which a rule refuses."""
    home, away, stream = 0, 0, []
    for sequence in range(1, events + 1):
        kind = made.choices([Kind.TRACKING, Kind.PLAY, Kind.SCORE], [70, 15, 15])[0]
        if kind is Kind.SCORE:
            home, away = home + made.choice([0, 3, 7]), away + made.choice([0, 3])
        clock = 900_000 - sequence * 900_000 // events
        kind = {1: Kind.GAME_START, events: Kind.GAME_END}.get(sequence, kind)
        told = max(home - 7, 0) if kind is Kind.PLAY and made.random() < 0.1 else home
        stream.append(payload(name, sequence, kind, period=1, clock=clock, home=told, away=away))
    return stream


def noisy_feed(seed: int, *, games: int = 3, events: int = 120) -> list[tuple[bytes, int]]:
    """Make payloads and their times: games mixed, copies, gaps, late, broken ones, ticks."""
    made = random.Random(seed)
    streams = [clean_game(f"G{game}", events, made) for game in range(games)]
    order = [game for game, stream in enumerate(streams) for _ in stream]
    made.shuffle(order)
    feed: list[tuple[bytes, int]] = []
    late: list[bytes] = []
    at = 1_700_000_000_000_000
    for game in order:
        at += made.randrange(30_000)
        event = streams[game].pop(0)
        fault = made.choices(["", "late", "copy", "broken", "tick"], [91, 2, 3, 2, 2])[0]
        if fault == "late":
            late.append(event)
            continue
        feed.append((event, at))
        if fault == "copy":
            feed.append((event, at))
        elif fault == "broken":
            feed.append((event[: made.randrange(1, len(event))], at))
        elif fault == "tick":
            at += 300_000
            feed.append((varint(0x38) + varint(Kind.TICK), at))
    # An event of a finished game: nothing may follow its end.
    feed.append((payload("G0", events + 1, Kind.PLAY, period=1, home=0, away=0), at + 1))
    for event in late:
        place = made.randrange(len(feed) // 2, len(feed))
        feed.insert(place, (event, feed[place - 1][1]))
    return feed


@dataclass
class FeedSource:
    """Give a list of payloads in batches of changing sizes; ends, or waits for more for ever."""

    feed: list[tuple[bytes, int]]
    sizes: list[int]
    ends: bool = True
    name: str = "list"
    finite: bool = True
    acknowledged: int = 0
    at: int = 0
    polls: int = 0

    def open(self, position: int, token: bytes = b"") -> None:  # noqa: ARG002 - the port's
        self.at = position

    def poll(self, timeout_us: int) -> Payloads | None:
        if self.at >= len(self.feed):
            if not self.ends:
                threading.Event().wait(timeout_us / 1e6)
            return None if self.ends else Payloads.of([], ingest_us=np.empty(0, np.int64))
        size = self.sizes[self.polls % len(self.sizes)]
        self.polls += 1
        part = self.feed[self.at : self.at + size]
        first, self.at = self.at, self.at + len(part)
        times = np.array([time for _, time in part], np.int64)
        return Payloads.of([one for one, _ in part], ingest_us=times, first_position=first)

    def acknowledge(self, position: int) -> None:
        assert position >= self.acknowledged
        self.acknowledged = position

    def total(self) -> int | None:
        return len(self.feed)

    def close(self) -> None:
        pass


class KilledError(RunError):
    """Stands for a kill: nothing is written after it."""


class KilledSink:
    """A sink around another that dies before or after its n-th write, at a seeded moment."""

    def __init__(self, sink, *, writes: int, after: bool) -> None:
        self.sink, self.writes, self.after = sink, writes, after
        self.name, self.keeps = sink.name, sink.keeps

    def write(self, output) -> None:
        self.writes -= 1
        if self.writes == 0 and not self.after:
            raise KilledError("killed before a write")
        self.sink.write(output)
        if self.writes == 0:
            raise KilledError("killed after a write")

    def open(self) -> None:
        self.sink.open()

    def refresh(self) -> None:
        self.sink.refresh()

    def close(self) -> None:
        self.sink.close()


def run_once(  # noqa: PLR0913 - what the tests vary
    folder: Path,
    source: FeedSource,
    *,
    kill: tuple[int, int, bool] | None = None,
    interval_us: int = 1,
    step_rows: int = 64,
    stop: StopSwitch | None = None,
    plan: Plan = PLAN,
) -> FusedRunner:
    """Run the feed on a state folder, from its snapshot if there is one."""
    clock = SystemClock()
    store = StateFolder(folder / "state", clock=clock)
    store.acquire()
    sinks: list = [
        OddsFile(folder / "odds.parquet", segments=folder / "segments"),
        DeadLetters(
            folder / "dead.ndjson", fields=[c.name for c in LAYOUT.columns],
            rules=[r.name for r in RULES], plan=PLAN.logic_digest,
        ),
    ]  # fmt: skip
    if kill is not None:
        which, writes, after = kill
        sinks[which] = KilledSink(sinks[which], writes=writes, after=after)
    try:
        for sink in sinks:
            sink.open()
        runner = FusedRunner(
            Parts(
                chain=PartitionChain(plan, NormalModel()),
                feed=Feed(source, step_rows=step_rows),
                lanes=[Lane(sink, clock=clock) for sink in sinks],
                keeper=Keeper(store, interval_us=interval_us, clock=clock),
                digest=OddsDigest(),
                logic=PLAN.logic_digest,
                clock=clock,
                pulse=Pulse(PLAN.kinds, PLAN.odds.at_once),
                pause_us=plan.breaker_pause_us,
            )
        )
        runner.run(newest(store, PLAN.logic_digest), stop or StopSwitch())
    finally:
        store.release()
    return runner

"""The NFL peak through separate processes and a real broker, for minutes: does anything grow?

    PYTHONPATH=. python benchmarks/kafka/sustained.py [--rate 125000] [--minutes 10] [--apart]

A real broker, Redis and ClickHouse's engine, `oddspipe feed serve` as the provider and `oddspipe
up` with one worker that prices and one process that publishes, all on this machine; `--apart` has
one more, that normalises, and events in ClickHouse. Every five seconds it looks at the lag of the
workers' groups, at memory and processor time of each process, and at how old the feed's record was
when the odds it caused could be read: the time between its timestamp in the feed and a
read-committed reader of the odds topic. The first thirty seconds are left out. Then `oddspipe
verify` compares the topics with the ledger.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import confluent_kafka as ck
import numpy as np
from benchmarks.chaos import ODDSPIPE, children_of
from confluent_kafka.admin import AdminClient

from oddspipe.core.clock import SystemClock
from oddspipe.core.services import clickhouse, kafka, process, redis

PLATFORM = """environments:
  dev:
    partitions: {partitions}
    state: state
    stages: {stages}
    kafka: {{brokers: '{brokers}', replication: 1}}
    redis: {{url: '{cache}'}}
    clickhouse: {{url: '{store}'}}
"""
SPEC = "extends: oddspipe.sports:nfl.yaml\nsport: peak\nfeed: {topic: peak.feed}\n"
WORDS = ("--spec", "spec.yaml", "--env", "dev")
LOOK_S, WARM_S = 5.0, 30.0
RECEIVED = re.compile(rb'"received_at":"([^"]+)Z"')
CLOCK = SystemClock()
TICKS = os.sysconf("SC_CLK_TCK")


def now_s() -> float:
    """Return the time of day in seconds."""
    return CLOCK.now_us() / 1e6


def usage(pid: int) -> tuple[float, float]:
    """Return resident memory in MB and processor time in seconds."""
    place = Path(f"/proc/{pid}")
    used = (place / "stat").read_text().rpartition(")")[2].split()
    pages = int((place / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, (int(used[11]) + int(used[12])) / TICKS


class Ages(threading.Thread):
    """Read the odds topic as a partner does; note when what was how old."""

    def __init__(self, brokers: str, partitions: int) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, float]] = []
        self.ended = threading.Event()
        self._reader = ck.Consumer(
            {"bootstrap.servers": brokers, "group.id": "ages", "enable.auto.commit": False,
             "isolation.level": "read_committed", "fetch.wait.max.ms": 5,
             "fetch.queue.backoff.ms": 5}
        )  # fmt: skip
        self._reader.assign(
            [ck.TopicPartition("peak.odds.v1", p, ck.OFFSET_END) for p in range(partitions)]
        )

    def run(self) -> None:
        """Read until told to end."""
        while not self.ended.is_set():
            for record in self._reader.consume(200, 0.02):
                found = RECEIVED.search(record.value() or b"", 0, 1000)
                if found and record.error() is None:
                    when = np.datetime64(found[1].decode(), "us").astype(np.int64)
                    now = now_s()
                    self.seen.append((now, now - float(when) / 1e6))
        self._reader.close()


TOGETHER = {"oddspipe.peak": "peak.feed"}
APART = {"oddspipe.peak.normalise": "peak.feed", "oddspipe.peak.price": "peak.normalised.v1"}


class Lag:
    """How many records of their topics the workers' groups have not committed."""

    def __init__(self, brokers: str, partitions: int, reads: dict[str, str]) -> None:
        self._groups = [
            (
                [ck.TopicPartition(topic, p) for p in range(partitions)],
                ck.Consumer({"bootstrap.servers": brokers, "group.id": group}),
            )
            for group, topic in reads.items()
        ]

    def close(self) -> None:
        """Let go of the broker."""
        for _, reader in self._groups:
            reader.close()

    def now(self) -> int:
        """Return it, that of all groups together."""
        lag = 0
        for places, reader in self._groups:
            stood = reader.committed(places, 10)
            ends = [reader.get_watermark_offsets(one, 10)[1] for one in places]
            lag += sum(end - max(one.offset, 0) for end, one in zip(ends, stood, strict=True))
        return lag


class Peak:
    """Services, a provider and the processes of a sport, in a folder."""

    def __init__(self, folder: Path, partitions: int, stages: str) -> None:
        self.folder, self.log = folder, (folder / "log").open("ab")
        starts = {"broker": kafka.start, "redis": redis.start, "clickhouse": clickhouse.start}
        self.services = {
            name: start(folder / name, port=process.free_port()) for name, start in starts.items()
        }
        broker, cache, store = (one.endpoint for one in self.services.values())
        (folder / "spec.yaml").write_text(SPEC)
        (folder / "platform.yaml").write_text(
            PLATFORM.format(
                partitions=partitions, stages=stages, brokers=broker, cache=cache, store=store
            )
        )
        self.up = self.begun("up", "--workers", "1")
        client = AdminClient({"bootstrap.servers": broker})
        while "peak.odds.v1" not in client.list_topics(timeout=10).topics:
            time.sleep(0.2)

    def begun(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command."""
        return subprocess.Popen(  # noqa: S603 - words of ours
            [ODDSPIPE, *words, *WORDS], cwd=self.folder, stdout=self.log, stderr=self.log
        )

    def used(self, feed: int) -> dict[str, tuple[float, float]]:
        """Return memory and processor time of each process."""
        named = {**children_of(self.up.pid), feed: "feed serve"}
        named |= {one.pid: name for name, one in self.services.items()}
        found = {}
        for pid, name in named.items():
            with contextlib.suppress(OSError):
                found[name] = usage(pid)
        return {name: one for name, one in found.items() if one[0]}  # one that has ended has none

    def verified(self) -> int:
        """End the processes, drain, compare; return the exit code."""
        self.up.send_signal(15)
        self.up.wait(60)
        self.begun("up", "--workers", "1", "--until", "idle").wait()
        words = [ODDSPIPE, "verify", *WORDS]
        done = subprocess.run(words, cwd=self.folder, check=False)  # noqa: S603 - words of ours
        for name in self.services:
            process.stop(self.folder / name)
        return done.returncode


def measured(folder: Path, rate: int, minutes: float, partitions: int, *, apart: bool) -> int:
    """Run it and print what was seen; return the exit code of the check at the end."""
    peak = Peak(folder, partitions, "apart" if apart else "together")
    broker = peak.services["broker"].endpoint
    ages, lag = Ages(broker, partitions), Lag(broker, partitions, APART if apart else TOGETHER)
    ages.start()
    feed = peak.begun("feed", "serve", "--rate", str(rate), "--duration", f"{60 * minutes:g}")
    begun_s = now_s()
    rows: list[tuple[float, int, dict[str, tuple[float, float]]]] = []
    while feed.poll() is None:
        time.sleep(LOOK_S)
        rows.append((now_s() - begun_s, lag.now(), peak.used(feed.pid)))
    ended_s = now_s()
    ages.ended.set()
    ages.join(10)
    lag.close()
    told(rows, ages.seen, begun_s, ended_s, rate)
    return peak.verified()


def told(rows, ages, begun_s: float, ended_s: float, rate: int) -> None:
    """Print lag, ages, memory and processor time."""
    rows = [row for row in rows if row[0] >= WARM_S]
    lags = np.array([row[1] for row in rows])
    thirds = [part.max() for part in np.array_split(lags, 3)]
    print(f"{rate:,} events a second for {(ended_s - begun_s) / 60:.1f} minutes")
    print(f"lag, most of each third: {', '.join(f'{one:,}' for one in thirds)} records")
    kept = np.array([age for at, age in ages if begun_s + WARM_S <= at <= ended_s]) * 1000
    mid, high, worst = np.percentile(kept, [50, 99, 100])
    print(f"age of odds: p50 {mid:.0f} ms, p99 {high:.0f} ms, worst {worst:.0f} ms; {len(kept):,}")
    print(f"{'process':<12}{'MB first':>10}{'MB last':>10}{'MB most':>10}{'CPU s a million':>18}")
    events = rate * (rows[-1][0] - rows[0][0]) / 1e6
    for name in sorted({name for row in rows for name in row[2]}):
        some = [row[2][name] for row in rows if name in row[2]]
        first, last, most = some[0][0], some[-1][0], max(one[0] for one in some)
        spent = (some[-1][1] - some[0][1]) / max(events, 1e-9)
        print(f"{name:<12}{first:>10.0f}{last:>10.0f}{most:>10.0f}{spent:>18.2f}")


def main() -> int:
    """Parse the words and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=125_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--apart", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        return measured(Path(place), asked.rate, asked.minutes, asked.partitions, apart=asked.apart)


if __name__ == "__main__":
    sys.exit(main())

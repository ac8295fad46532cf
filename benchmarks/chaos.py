"""A random campaign against a sport over Kafka: kill, freeze and starve for a while, then verify.

    python benchmarks/chaos.py [--minutes 5] [--seed 1] [--rate 4000] [--workers 2]

A real broker and cache, a provider with a ledger, and `oddspipe up`. Every few seconds something
happens to a process: kill -9, or SIGSTOP for longer than its session lasts and then SIGCONT, which
makes it a zombie whose place another may have; the broker is frozen for a moment, the cache killed
and started again. At the end all is drained, and `oddspipe verify` says what was lost, came twice,
is out of order or strange. The same seed chooses the same strikes; when they
come is the machine's.
Exits with 1 unless nothing is.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from oddspipe.core.services import kafka, process, redis

ODDSPIPE = str(Path(sys.executable).with_name("oddspipe"))
PLATFORM = """environments:
  dev:
    partitions: 6
    state: state
    kafka: {brokers: {env: ODDSPIPE_KAFKA}, replication: 1}
    redis: {url: {env: ODDSPIPE_REDIS}}
"""
SPEC = """extends: oddspipe.sports:nfl.yaml
sport: chaos
feed: {topic: chaos.feed}
recovery: {snapshot_every: 1s}
"""
WORDS = ("--spec", "spec.yaml", "--env", "dev")
FAULTS = "duplicates=1%,swaps=1%,gaps=0.1%,late=0.1%,corrupt=0.1%"
FROZEN_S = 8.0
"""Longer than the session of a worker (6 s): its partitions go to another meanwhile."""


def children_of(pid: int) -> dict[int, str]:
    """Return the stages that `oddspipe up` has running, by process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = (path.parent / "cmdline").read_text().split("\0")
        except (OSError, IndexError):
            continue
        if parent == pid and "--stage" in words:
            slot = words[words.index("--slot") + 1] if "--slot" in words else ""
            found[int(path.parent.name)] = f"{words[words.index('--stage') + 1]}{slot}"
    return found


class Campaign:
    """The processes of a campaign, and what is done to them."""

    def __init__(self, folder: Path, seed: int, rate: int, workers: int) -> None:
        self.folder, self.made = folder, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.thaw: list[tuple[float, int]] = []
        (folder / "spec.yaml").write_text(SPEC)
        (folder / "platform.yaml").write_text(PLATFORM)
        self.port = process.free_port()
        broker = kafka.start(folder / "kafka", port=process.free_port())
        redis.start(folder / "redis", port=self.port)
        self.broker = broker.pid
        self.environ = {
            **os.environ,
            "ODDSPIPE_KAFKA": broker.endpoint,
            "ODDSPIPE_REDIS": f"redis://localhost:{self.port}/0",
        }
        self.feed = self.begun("feed", "serve", "--rate", str(rate), "--faults", FAULTS)
        time.sleep(2)
        self.up = self.begun("up", "--workers", str(workers))

    def begun(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command; its lines go to a file."""
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - words of ours
                [ODDSPIPE, *words, *WORDS],
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
            )

    def finished(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(  # noqa: S603 - words of ours
            [ODDSPIPE, *words, *WORDS],
            cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False,
            timeout=600,
        )  # fmt: skip

    def strike(self) -> None:
        """Do something to a process that was chosen by chance."""
        now = time.monotonic()
        for due, pid in [one for one in self.thaw if one[0] <= now]:
            self.signalled(pid, signal.SIGCONT)
            self.thaw.remove((due, pid))
        what = self.made.choices(["kill", "freeze", "broker", "cache"], [70, 15, 8, 7])[0]
        if what == "broker":
            self.signalled(self.broker, signal.SIGSTOP)
            time.sleep(self.made.uniform(0.5, 3.0))
            self.signalled(self.broker, signal.SIGCONT)
        elif what == "cache":
            process.stop(self.folder / "redis")
            time.sleep(self.made.uniform(0.2, 3.0))
            redis.start(self.folder / "redis", port=self.port)
        else:
            there = children_of(self.up.pid)
            frozen = {pid for _, pid in self.thaw}
            free = sorted((name, pid) for pid, name in there.items() if pid not in frozen)
            if not free:
                return
            name, pid = self.made.choice(free)
            if what == "freeze":
                self.signalled(pid, signal.SIGSTOP)
                self.thaw.append((now + FROZEN_S, pid))
            else:
                self.signalled(pid, signal.SIGKILL)
            what = f"{what} {name}"
        self.done[what] += 1

    @staticmethod
    def signalled(pid: int, number: int) -> None:
        """Send a signal to a process that may be gone."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return

    def end(self) -> dict[str, object]:
        """Stop the feed, drain every stage, and return what `verify` finds."""
        for _, pid in self.thaw:
            self.signalled(pid, signal.SIGCONT)
        self.feed.send_signal(signal.SIGTERM)
        fed = self.feed.wait(60)
        self.up.send_signal(signal.SIGTERM)
        ended = self.up.wait(90)
        drained = self.finished("run", "--stage", "price", "--until", "idle")
        self.finished("run", "--stage", "publish", "--until", "idle")
        checked = self.finished("verify", "--format", "json")
        found: dict[str, object] = json.loads(checked.stdout) if checked.stdout else {}
        codes = {
            "feed": fed,
            "up": ended,
            "drain": drained.returncode,
            "verify": checked.returncode,
        }
        return {**found, "exit_codes": codes, "said": checked.stderr[-500:]}

    def close(self) -> None:
        """Stop everything."""
        for one in (self.feed, self.up):
            one.kill()
            one.wait()
        process.stop(self.folder / "redis")
        process.stop(self.folder / "kafka")


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("--minutes", type=float, default=5.0)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--rate", type=int, default=4000)
    words.add_argument("--workers", type=int, default=2)
    given = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        campaign = Campaign(Path(place), given.seed, given.rate, given.workers)
        try:
            until = time.monotonic() + 60 * given.minutes
            time.sleep(5)
            while time.monotonic() < until:
                campaign.strike()
                time.sleep(campaign.made.uniform(0.5, 5.0))
            found = campaign.end()
        finally:
            campaign.close()
    for what, count in sorted(campaign.done.items()):
        print(f"{what:<16}{count:>6}")
    for topic in ("feed", "odds", "dead_letters"):
        one = found.get(topic) or {}
        shown = {key: value for key, value in one.items() if key != "examples" or value}
        print(f"{topic:<16}{shown}")
    sound = bool(found.get("sound")) and not found.get("behind")
    struck = sum(campaign.done.values())
    verdict = "nothing lost, twice, out of order or strange" if sound else "NOT SOUND"
    print(f"seed {given.seed}, {given.minutes:g} minutes, {struck} strikes: {verdict}")
    if not sound:
        print(found)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())

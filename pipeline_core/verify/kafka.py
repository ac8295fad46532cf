"""Read the topics of a sport again, work out what they should hold, and compare.

Everything is made anew from the feed's topic by one pass of the plain stages: without snapshots,
transactions, restarts or other workers, which are what is to be checked. The feed's topic itself is
compared with the ledger of the server that filled it, where there is one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import numpy as np
from confluent_kafka import KafkaException

from oddspipe.core.adapters.dead_letters import DeadLetter, Letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.committed import Committed, payloads_of
from oddspipe.core.adapters.kafka.ledger import Ledger, Sent
from oddspipe.core.adapters.kafka.records import Topics
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.errors import RunError
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.verify.compare import ENOUGH, Findings, compare, planted


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        feed: The feed's topic against the ledger; None where there is no ledger.
        odds, dead_letters: Against what one pass makes of the feed.
        behind: Records of the feed that the group has not taken yet.
    """

    feed: Findings | None
    odds: Findings
    dead_letters: Findings
    behind: int

    @property
    def sound(self) -> bool:
        """Whether nothing is lost, twice, out of order or strange."""
        parts = (self.odds, self.dead_letters, *((self.feed,) if self.feed else ()))
        return all(one.sound for one in parts)


@dataclass(slots=True)
class Pass:
    """What one pass needs.

    Attributes:
        make_chain: Makes the stages of a partition.
        origin, formats: As the run writes odds.
        letters: As the run writes dead letters.
    """

    make_chain: Callable[[], PartitionChain]
    origin: Origin
    formats: tuple[str, ...]
    letters: Letters


@dataclass(slots=True)
class _Stretch:
    """The records of one partition that one entry of the ledger names, as they come."""

    begins: int
    expected: Iterator[Sent]
    lengths: list[int] = field(default_factory=list)
    joined: bytearray = field(default_factory=bytearray)
    entry: Sent | None = None
    number: int = 0
    misled: bool = False


class Verifier:
    """Check the topics of a sport.

    Args:
        cluster: Where they lie.
        topics: Their names.
        partitions: How many each has.
        group: The group of the run.
        work: What one pass needs.
    """

    def __init__(
        self, cluster: Cluster, topics: Topics, partitions: int, group: str, work: Pass
    ) -> None:
        self._topics, self._partitions, self._work = topics, partitions, work
        self._read = Committed(cluster, group)

    def check(self, ledger: Ledger | None, *, self_test: bool = False) -> Checked:
        """Read everything and compare.

        Args:
            ledger: What was sent; None checks the outputs alone.
            self_test: Plant a loss, a double and a swap into the odds that were read of the first
                partition that has enough.

        Raises:
            RunError: The cluster does not answer.
        """
        try:
            committed = self._read.positions(self._topics.feed, self._partitions)
            odds, letters = Findings(), Findings()
            feed = Findings() if ledger is not None else None
            behind = 0
            for partition in range(self._partitions):
                behind += self._check_partition(
                    partition, committed[partition], ledger, (feed, odds, letters), self_test
                )
        except KafkaException as error:
            raise RunError(f"kafka does not answer: {error.args[0].str()}") from error
        return Checked(feed, odds, letters, behind)

    def _check_partition(
        self,
        partition: int,
        committed: int,
        ledger: Ledger | None,
        findings: tuple[Findings | None, Findings, Findings],
        self_test: bool,  # noqa: FBT001 - private
    ) -> int:
        """Check one partition; return how far the group is behind in it."""
        feed, odds, letters = findings
        stretch = None
        if ledger is not None:
            stretch = _Stretch(_begin(ledger, partition), _sent(ledger, partition))
        chain = self._work.make_chain()
        want_odds: list[bytes] = []
        want_letters: list[bytes] = []
        left = 0
        for records in self._read.records(self._topics.feed, partition):
            if stretch is not None and feed is not None:
                values = [one.value for one in records if one.offset >= stretch.begins]
                _follow(stretch, values, feed, partition)
            taken = [one for one in records if one.offset < committed]
            left += len(records) - len(taken)
            if taken:
                for output in chain.steps(payloads_of(taken)):
                    lines = messages(output, self._work.origin, self._work.formats)
                    want_odds += lines.splitlines()
                    want_letters += [
                        _identity(letter)
                        for rejects in output.rejects
                        for letter in self._work.letters.of(rejects)
                    ]
        if stretch is not None and feed is not None:
            _finish(stretch, feed, partition)
        got = [
            one.value for part in self._read.records(self._topics.odds, partition) for one in part
        ]
        if self_test and odds.sound and len(got) >= ENOUGH:
            got = planted(got)
        compare(got, want_odds, odds, _named)
        dead = [
            _identity(msgspec.json.decode(one.value, type=DeadLetter))
            for part in self._read.records(self._topics.dead_letters, partition)
            for one in part
        ]
        compare(dead, want_letters, letters, lambda one: f"[{partition}] {one.decode()[:100]}")
        return left


def _named(message: bytes) -> str:
    """Return the id of an odds message."""
    try:
        return msgspec.json.decode(message, type=_Id).id
    except msgspec.DecodeError:
        return repr(message[:100])


class _Id(msgspec.Struct):
    id: str


def _identity(letter: DeadLetter) -> bytes:
    """Return what tells a dead letter apart: the number is of a process."""
    return f"{letter.stage} {letter.position} {letter.reason} {letter.payload}".encode()


def _begin(ledger: Ledger, partition: int) -> int:
    """Return the offset of a partition at which the ledger begins."""
    first = next(ledger.entries(), None)
    return first.begins.get(str(partition), 0) if first is not None else 0


def _sent(ledger: Ledger, partition: int) -> Iterator[Sent]:
    for entry in ledger.entries():
        if (sent := entry.sent.get(str(partition))) is not None:
            yield sent


def _follow(stretch: _Stretch, values: list[bytes], feed: Findings, partition: int) -> None:
    """Compare records with the ledger as they come, an entry at a time."""
    for at, value in enumerate(values):
        if stretch.misled:
            return
        if stretch.entry is None:
            stretch.entry = next(stretch.expected, None)
            stretch.number += 1
        if stretch.entry is None:
            more = len(values) - at
            feed.note("strange", f"partition {partition}: {more} records that were not sent", more)
            stretch.misled = True
            return
        stretch.lengths.append(len(value))
        stretch.joined += value
        if len(stretch.lengths) == stretch.entry.count:
            _judge(stretch, stretch.entry, feed, partition)


def _judge(stretch: _Stretch, entry: Sent, feed: Findings, partition: int) -> None:
    lengths = np.array(stretch.lengths, "<i8").tobytes()
    digest = blake2b(lengths + bytes(stretch.joined), digest_size=16).hexdigest()
    feed.checked += entry.count
    if digest != entry.digest:
        what = f"the {entry.count} records of entry {stretch.number} are not those that were sent"
        feed.note("strange", f"partition {partition}: {what}", entry.count)
        stretch.misled = True
    stretch.entry = None
    stretch.lengths.clear()
    stretch.joined.clear()


def _finish(stretch: _Stretch, feed: Findings, partition: int) -> None:
    """Note what the ledger names and the topic does not hold."""
    if stretch.misled:
        return
    rest = [stretch.entry] if stretch.entry is not None else []
    missing = sum(one.count for one in (*rest, *stretch.expected)) - len(stretch.lengths)
    if missing:
        feed.note("lost", f"partition {partition}: {missing} records that were sent", missing)

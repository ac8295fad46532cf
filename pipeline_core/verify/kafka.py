"""Read the topics of a sport again, work out what they should hold, and compare.

Everything is made anew from the feed's topic by one pass of the plain stages: without snapshots,
transactions, restarts or other workers, which are what is to be checked. The feed's topic itself is
compared with the ledger of the server that filled it, where there is one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
from confluent_kafka import KafkaException

from oddspipe.core.adapters.dead_letters import DeadLetter
from oddspipe.core.adapters.kafka.committed import Committed, Kept
from oddspipe.core.adapters.kafka.ledger import Ledger, Sent
from oddspipe.core.adapters.kafka.records import EventRows
from oddspipe.core.errors import RunError
from oddspipe.core.verify.compare import ENOUGH, Findings, compare, planted
from oddspipe.core.verify.makes import Makes, Run

SECOND: Final = frozenset({"receive", "price"})
"""Stages whose dead letters a worker of its own writes, where stages are apart."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        feed: The feed's topic against the ledger; None where there is no ledger.
        normalised: Events against what one pass makes of the feed; None where there is no such
            topic.
        odds, dead_letters: The same of them.
        behind: Records that the groups have not taken yet.
    """

    feed: Findings | None
    normalised: Findings | None
    odds: Findings
    dead_letters: Findings
    behind: int

    @property
    def sound(self) -> bool:
        """Whether nothing is lost, twice, out of order or strange."""
        parts = (self.feed, self.normalised, self.odds, self.dead_letters)
        return all(one.sound for one in parts if one is not None)


@dataclass(slots=True)
class _Wanted:
    """What topics are to hold of a partition."""

    records: list[bytes] = field(default_factory=list)
    odds: list[bytes] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)


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
        run: Where they lie.
        makes: What makes of the feed what they are to hold.
    """

    def __init__(self, run: Run, makes: Makes) -> None:
        self._run, self._topics, self._makes = run, run.topics, makes
        self._read = Committed(run.cluster, run.groups[0])

    def check(self, ledger: Ledger | None, *, self_test: bool = False) -> Checked:
        """Read everything and compare.

        Args:
            ledger: What was sent; None checks the outputs alone.
            self_test: Plant a loss, a double and a swap into the odds that were read of the first
                partition that has enough.

        Raises:
            RunError: The cluster does not answer.
        """
        checked = Checked(
            Findings() if ledger is not None else None,
            Findings() if self._makes.second is not None else None,
            Findings(),
            Findings(),
            0,
        )
        behind = 0
        try:
            taken = self._run.taken()
            for partition in range(self._run.partitions):
                upto = [places[partition] for places in taken]
                behind += self._check_partition(partition, upto, ledger, checked, self_test)
        except KafkaException as error:
            raise RunError(f"kafka does not answer: {error.args[0].str()}") from error
        return replace(checked, behind=behind)

    def _check_partition(
        self,
        partition: int,
        committed: list[int],
        ledger: Ledger | None,
        checked: Checked,
        self_test: bool,  # noqa: FBT001 - private
    ) -> int:
        """Check one partition; return how far the groups are behind in it."""
        wanted = _Wanted()
        left = self._pass_over_feed(partition, committed[0], ledger, checked.feed, wanted)
        if checked.normalised is not None:
            left += self._pass_over_events(partition, committed[1], checked.normalised, wanted)
        got = self._values(self._topics.odds, partition)
        if self_test and checked.odds.sound and len(got) >= ENOUGH:
            got = planted(got)
        compare(got, wanted.odds, checked.odds, _named)
        found = self._values(self._topics.dead_letters, partition)
        letters = [msgspec.json.decode(value, type=DeadLetter) for value in found]
        told = lambda one: f"[{partition}] {one.decode()[:100]}"  # noqa: E731 - for both writers
        for there, made in zip(
            self._by_writer(letters), self._by_writer(wanted.letters), strict=True
        ):
            compare(there, made, checked.dead_letters, told)
        return left

    def _pass_over_feed(
        self,
        partition: int,
        committed: int,
        ledger: Ledger | None,
        feed: Findings | None,
        wanted: _Wanted,
    ) -> int:
        """Make of the feed what is wanted; return how many records were not taken yet."""
        stretch = None
        if ledger is not None:
            stretch = _Stretch(_begin(ledger, partition), _sent(ledger, partition))
        rows, left = EventRows(), 0

        def taken() -> Iterator[list[Kept]]:
            nonlocal left
            for records in self._read.records(self._topics.feed, partition):
                _follow(stretch, records, feed, partition)
                part = [one for one in records if one.offset < committed]
                left += len(records) - len(part)
                yield part

        for output in self._makes.of_feed(part for part in taken() if part):
            wanted.letters += self._makes.dead(output)
            if self._makes.second is None:
                wanted.odds += self._makes.odds(output)
            else:
                wanted.records += self._makes.records(output, rows)
        _finish(stretch, feed, partition)
        return left

    def _pass_over_events(
        self, partition: int, committed: int, found: Findings, wanted: _Wanted
    ) -> int:
        """Compare events, and make of those wanted what is wanted of odds."""
        there, taken = [], 0
        for records in self._read.records(self._topics.normalised, partition):
            there += [one.value for one in records]
            taken += sum(one.offset < committed for one in records)
        compare(there, wanted.records, found, lambda one: f"[{partition}] {one[:100]!r}")
        for output in self._makes.of_events(wanted.records[:taken]):
            wanted.odds += self._makes.odds(output)
            wanted.letters += self._makes.dead(output)
        return len(there) - taken

    def _by_writer(self, letters: list[DeadLetter]) -> list[list[bytes]]:
        """Return what tells dead letters apart, by who wrote them: of two, each keeps its order."""
        if self._makes.second is None:
            return [[_identity(one) for one in letters]]
        return [
            [_identity(one) for one in letters if (one.stage in SECOND) == second]
            for second in (False, True)
        ]

    def _values(self, topic: str, partition: int) -> list[bytes]:
        return [one.value for part in self._read.records(topic, partition) for one in part]


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


def _follow(
    stretch: _Stretch | None, records: list[Kept], feed: Findings | None, partition: int
) -> None:
    """Compare records with the ledger, where there is one, as they come, an entry at a time."""
    if stretch is None or feed is None:
        return
    values = [one.value for one in records if one.offset >= stretch.begins]
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


def _finish(stretch: _Stretch | None, feed: Findings | None, partition: int) -> None:
    """Note what the ledger names and the topic does not hold."""
    if stretch is None or feed is None or stretch.misled:
        return
    rest = [stretch.entry] if stretch.entry is not None else []
    missing = sum(one.count for one in (*rest, *stretch.expected)) - len(stretch.lengths)
    if missing:
        feed.note("lost", f"partition {partition}: {missing} records that were sent", missing)

"""Read a stretch of a sport's feed again, and publish a correction where a price differs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from confluent_kafka import KafkaException, Producer

from oddspipe.core.adapters.kafka.committed import Committed, Kept
from oddspipe.core.adapters.kafka.topics import corrections_topic
from oddspipe.core.errors import RunError, StateError
from oddspipe.core.failpoints import passed
from oddspipe.core.verify.corrections import (
    Correction,
    Stretch,
    Told,
    by_moment,
    compared,
    encoded,
    words_of,
)
from oddspipe.core.verify.makes import Makes, Run

AT_ONCE: Final = 500
"""Corrections of one transaction."""
ANSWER_S: Final = 30.0
SHOWN: Final = 20
LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class Begin:
    """Where the stretch begins: a time, or an offset of one or all partitions of the feed."""

    time_us: int | None = None
    offset: int = 0
    partition: int | None = None


@dataclass
class Corrected:
    """What was done.

    Attributes:
        moments: Moments of games that were compared.
        corrections: How many were wrong, and were published unless it was a dry run.
        games: Games that they are of.
        skipped: Games that began before what is read again does.
        examples: Prices that change, in words.
    """

    moments: int = 0
    corrections: int = 0
    games: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)


class Backup(Protocol):
    """Where the records of the feed lie besides its topic."""

    def records(self, partition: int) -> Iterator[list[Kept]]:
        """Yield what is kept of a partition, in order."""
        ...


class Corrector:
    """Compare and publish.

    Args:
        run: The topics of the run.
        group: Its group.
        makes: What makes of the feed what is right.
        stretch: Makes what is compared, of the times at which it begins and the input does.
        backup: Read in place of the feed's topic.
    """

    def __init__(
        self,
        run: Run,
        group: str,
        makes: Makes,
        stretch: Callable[[str, str], Stretch],
        backup: Backup | None = None,
    ) -> None:
        self._run, self._cluster, self._topics = run, run.cluster, run.topics
        self._read, self._group = Committed(run.cluster, group), group
        self._makes, self._stretch, self._backup = makes, stretch, backup
        self._to = corrections_topic(run.topics)

    def correct(self, begin: Begin, *, dry_run: bool = False) -> Corrected:
        """Compare all partitions and publish what differs, each correction once.

        Raises:
            RunError: The cluster does not answer; what was published stands and is not repeated.
            StateError: The run writes while it is compared, and does not come to rest.
        """
        result = Corrected()
        try:
            # Whoever else corrects is fenced by this, before it is read what was corrected.
            producer = None if dry_run else self._producer()
            for partition in range(self._run.partitions):
                if begin.partition in {None, partition}:
                    found = self._compare(partition, begin, result)
                    self._publish(producer, partition, found)
        except KafkaException as error:
            raise RunError(f"kafka: {error.args[0].str()}") from error
        return result

    def _compare(self, partition: int, begin: Begin, result: Corrected) -> list[Correction]:
        taken, events, offered = self._offered(partition)
        done: Told = {}
        for part in self._read.records(self._to, partition):
            by_moment((one.value for one in part), done)
        right: Told = {}
        begins = None if begin.time_us is None else _written(begin.time_us)
        known = ""

        def seen() -> Iterator[list[Kept]]:
            nonlocal begins, known
            for records in self._feed(partition, taken):
                if not known and records[0].offset > 0:
                    known = _written(records[0].time_ms * 1000)
                if begins is None:
                    later = (one.time_ms for one in records if one.offset >= begin.offset)
                    begins = next((_written(at * 1000) for at in later), None)
                yield records

        for output in self._makes.priced(seen(), events):
            by_moment(self._makes.odds(output), right)
        if begins is None:
            return []
        found = compared(self._stretch(begins, known), offered, done, right)
        result.moments += found.moments
        result.corrections += len(found.corrections)
        result.games |= {one.game for one in found.corrections}
        result.skipped |= found.skipped
        told = (words for one in found.corrections for words in words_of(one))
        result.examples += list(_first(told, SHOWN - len(result.examples)))
        return found.corrections

    def _offered(self, partition: int) -> tuple[int, int, Told]:
        """Return up to where the run has taken feed and events, and all that it made of that.

        Positions and odds are committed together: where no position moved meanwhile, the odds are
        exactly those of the input before it.
        """
        for _ in range(LOOKS):
            before = [places[partition] for places in self._run.taken()]
            offered: Told = {}
            for part in self._read.records(self._topics.odds, partition):
                by_moment((one.value for one in part), offered)
            if before == [places[partition] for places in self._run.taken()]:
                return before[0], self._events(partition, before[1:]), offered
        raise StateError(
            f"partition {partition}: the run goes on writing odds while they are compared",
            hint="Correct when the games are over, or stop the run for it.",
        )

    def _events(self, partition: int, taken: list[int]) -> int:
        """Return how many records of normalised events were taken, where there are any."""
        return sum(
            one.offset < taken[0]
            for part in (self._read.records(self._topics.normalised, partition) if taken else ())
            for one in part
        )

    def _feed(self, partition: int, end: int) -> Iterator[list[Kept]]:
        source = self._backup
        parts = (
            self._read.records(self._topics.feed, partition)
            if source is None
            else source.records(partition)
        )
        for records in parts:
            if taken := [one for one in records if one.offset < end]:
                yield taken

    def _publish(self, producer: Producer | None, partition: int, found: list[Correction]) -> None:
        if producer is None:
            return
        for start in range(0, len(found), AT_ONCE):
            producer.begin_transaction()
            for key, value in encoded(found[start : start + AT_ONCE]):
                producer.produce(self._to, value, key, partition)
            passed("correct.committing")
            producer.commit_transaction(ANSWER_S)
            passed("correct.committed")

    def _producer(self) -> Producer:
        # Begins as those of the workers, so that their access holds for it.
        name = f"{self._group}.correct"
        producer = Producer(
            {
                **self._cluster.settings(),
                "client.id": name,
                "transactional.id": name,
                "compression.type": "lz4",
            }
        )
        producer.init_transactions(ANSWER_S)
        return producer


def _first(told: Iterable[str], most: int) -> Iterator[str]:
    for _, words in zip(range(most), told, strict=False):
        yield words


def _written(time_us: int) -> str:
    """Return a time as messages write it.

    >>> _written(1_700_000_000_000_000)
    '2023-11-14T22:13:20.000000Z'
    """
    moment = np.datetime64(time_us, "us")
    return str(np.datetime_as_string(moment, unit="us", timezone="UTC"))

"""What a feed should have become: one plain pass, without the state and restarts of a run."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from oddspipe.core.adapters.dead_letters import DeadLetter, Letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.committed import Committed, Kept, payloads_of
from oddspipe.core.adapters.kafka.records import EventRows
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.fused import Chain

AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """Where the topics of a run lie, and under which groups it reads them.

    Attributes:
        groups: Of what reads the feed and, where stages are apart, of what reads events.
    """

    cluster: Cluster
    topics: Topics
    partitions: int
    groups: tuple[str, ...]

    def taken(self) -> list[Mapping[int, int]]:
        """Return up to where each group has taken each partition of what it reads."""
        return [
            Committed(self.cluster, group).positions(topic, self.partitions)
            for group, topic in zip(
                self.groups, (self.topics.feed, self.topics.normalised), strict=False
            )
        ]


@dataclass(frozen=True, slots=True)
class Makes:
    """What makes of a feed what a run is to make of it.

    Attributes:
        first: Makes the stages that read the feed.
        second: Makes those that read normalised events; None where the first do all.
        origin, formats: As the run writes odds.
        letters: As the run writes dead letters.
    """

    first: Callable[[], Chain]
    second: Callable[[], Chain] | None
    origin: Origin
    formats: tuple[str, ...]
    letters: Letters

    def of_feed(self, parts: Iterable[list[Kept]]) -> Iterator[Output]:
        """Yield what the first stages make of the feed."""
        chain = self.first()
        for records in parts:
            yield from chain.steps(payloads_of(records))

    def of_events(self, records: Sequence[bytes]) -> Iterator[Output]:
        """Yield what the second stages make of normalised events."""
        if self.second is None:
            return
        chain = self.second()
        for at in range(0, len(records), AT_ONCE):
            part = list(records[at : at + AT_ONCE])
            when = np.zeros(len(part), np.int64)
            yield from chain.steps(Payloads.of(part, ingest_us=when, first_position=at))

    def priced(self, parts: Iterable[list[Kept]], events: int) -> Iterator[Output]:
        """Yield the outputs that hold odds.

        Args:
            parts: The feed, as far as it was taken.
            events: How many records of normalised events were taken.
        """
        if self.second is None:
            yield from self.of_feed(parts)
            return
        rows = EventRows()
        made = [one for output in self.of_feed(parts) for one in self.records(output, rows)]
        yield from self.of_events(made[:events])

    def records(self, output: Output, rows: EventRows) -> list[bytes]:
        """Return the records of the normalised topic that an output is."""
        return [
            one.payloads.bytes_at(row) or b"" for one in rows(0, output) for row in range(len(one))
        ]

    def odds(self, output: Output) -> list[bytes]:
        """Return the odds messages of an output."""
        return messages(output, self.origin, self.formats).splitlines()

    def dead(self, output: Output) -> list[DeadLetter]:
        """Return the dead letters of an output."""
        return [letter for rejects in output.rejects for letter in self.letters.of(rejects)]

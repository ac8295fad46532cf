"""Bring the odds of a topic to a store in rounds; see `rounds`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from typing_extensions import override

from oddspipe.core.adapters.kafka.client import is_end
from oddspipe.core.adapters.kafka.published import output_of, read_message
from oddspipe.core.adapters.kafka.publisher import CALL_S, Record
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.rounds import Round, Rounds
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RetryableError
from oddspipe.core.ports.output import Output
from oddspipe.core.ports.rounds import RoundSink

MOST: Final = 1_000
"""Odds messages of a round: below 250,000 rows, some 20 MB of JSON."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Odds messages of one partition that follow each other."""

    partition: int
    first: int
    last: int
    values: list[bytes]

    @property
    def count(self) -> int:
        """Return how many they are."""
        return len(self.values)


class RoundPublisher(Rounds[Messages]):
    """Write the odds topic in rounds; see `Rounds`."""

    def __init__(
        self, sink: RoundSink, topic: str, worker: Worker, clock: Clock, draw: Callable[[], str]
    ) -> None:
        """Take the parts; see `Rounds`."""
        super().__init__(sink, topic, worker, clock, draw, MOST)

    @override
    def _gathered(self, most: int) -> tuple[Sequence[Messages], dict[int, int]]:
        found, ends = self._polled(most)
        return _pieces(found), ends

    @override
    def _output(self, pieces: Iterable[Messages]) -> Output:
        return output_of(
            [
                read_message(value, f"{self._topic} [{one.partition}] {one.first} to {one.last}")
                for one in pieces
                for value in one.values
            ]
        )

    @override
    def _read_again(self, one: Round) -> Sequence[Messages]:
        reader = Consumer(self._again_settings)
        lasts = {p: last for p, _, last, _ in one.parts}
        found: list[Record] = []
        try:
            reader.assign([TopicPartition(self._topic, p, at) for p, at, _, _ in one.parts])
            while lasts:
                record = reader.poll(CALL_S)
                if record is None:
                    raise RetryableError(f"kafka: {self._topic} gives no answer")
                partition, offset, value = record.partition(), record.offset(), record.value()
                error = record.error()
                if error is not None and not is_end(error, self._topic):
                    continue
                if partition not in lasts or offset is None:
                    continue
                if error is None and value is not None and offset <= lasts[partition]:
                    found.append((partition, offset, value))
                if offset >= lasts[partition]:
                    del lasts[partition]
        finally:
            reader.close()
        self._all_there(one, len(found))
        return _pieces(sorted(found))


def _pieces(records: list[Record]) -> list[Messages]:
    """Return records as pieces; those of a partition keep their order."""
    by_partition = sorted(records, key=lambda record: record[0])
    made: list[Messages] = []
    for partition, group in groupby(by_partition, key=lambda record: record[0]):
        some = list(group)
        values = [value for _, _, value in some]
        made.append(Messages(partition, some[0][1], some[-1][1], values))
    return made

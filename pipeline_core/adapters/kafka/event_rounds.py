"""Bring normalised events to a store in rounds, by columns; see `rounds`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition
from typing_extensions import override

from oddspipe.core.adapters.kafka.publisher import CALL_S, WAIT_S
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.rounds import Round, Rounds
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.clock import Clock
from oddspipe.core.errors import RetryableError, RunError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Odds, Output, Rollups
from oddspipe.core.ports.rounds import RoundSink
from oddspipe.core.stages.receive import Receive
from oddspipe.ext.kafka import puller_of
from oddspipe.ext.records import PARTITION_EOF, Notice, Pulled

MOST: Final = 200_000
"""Events of a round: a second and more of the busiest feed."""
MOST_BYTES: Final = 32 << 20
PULL_ROWS: Final = 16_384
LASTING: Final = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001 - their names of their codes
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""What does not pass by itself; of the rest the client tells, and goes on."""


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one partition that follow each other."""

    partition: int
    records: Payloads

    @property
    def first(self) -> int:
        """Return the offset of the first."""
        return int(self.records.positions[0])

    @property
    def last(self) -> int:
        """Return the offset of the last."""
        return int(self.records.positions[-1])

    @property
    def count(self) -> int:
        """Return how many they are."""
        return len(self.records)

    @property
    def size(self) -> int:
        """Return how many bytes they are."""
        return int(self.records.ends[-1] - self.records.starts[0])

    def upto(self, offset: int) -> "Events | None":
        """Return those up to an offset, this one included; None where there are none."""
        count = int(np.searchsorted(self.records.positions, offset, side="right"))
        return Events(self.partition, self.records.part(0, count)) if count else None


class EventPublisher(Rounds[Events]):
    """Write the normalised topic in rounds; no event becomes a Python object.

    Args:
        sink: Where events go.
        plan: Whose events.
        topic: The normalised topic.
        worker: Whose publisher it is.
        clock: What rounds and pauses go by.
        draw: Draws a token that nobody has drawn before.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - as `Rounds`
        self,
        sink: RoundSink,
        plan: Plan,
        topic: str,
        worker: Worker,
        clock: Clock,
        draw: Callable[[], str],
    ) -> None:
        """Take the parts; see `Rounds`."""
        super().__init__(sink, topic, worker, clock, draw, MOST)
        self._plan = plan
        self._puller = puller_of(self._consumer, self._name)

    @override
    def _gathered(self, most: int) -> tuple[Sequence[Events], dict[int, int]]:
        pulled = self._puller.pull(min(most, PULL_ROWS), int(WAIT_S * 1000))
        ends = {one.partition: one.offset for one in self._told(pulled) if one.offset >= 0}
        return [one for one in _pieces(pulled) if one.partition in self._assigned], ends

    @override
    def _is_full(self) -> bool:
        size = sum(piece.size for some in self._waiting.values() for piece in some)
        return super()._is_full() or size >= MOST_BYTES

    @override
    def _output(self, pieces: Iterable[Events]) -> Output:
        plan = self._plan
        # Anew for each round: names do not pile up, and a round read again is the same block.
        stage = Receive(plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes)
        events, _ = stage.read(Payloads.joined([piece.records for piece in pieces]))
        strings = stage.strings
        nothing = Rollups.none(), Odds.none()
        return Output(events, *nothing, (), strings[GAME_ID], dict(strings), 0, events.until_us)

    @override
    def _read_again(self, one: Round) -> Sequence[Events]:
        reader = Consumer(self._again_settings)
        puller = puller_of(reader, str(self._again_settings["client.id"]))
        lasts = {p: last for p, _, last, _ in one.parts}
        found: list[Events] = []
        try:
            for partition in lasts:
                puller.claim(self._topic, partition)
            reader.assign([TopicPartition(self._topic, p, at) for p, at, _, _ in one.parts])
            while lasts:
                pulled = puller.pull(PULL_ROWS, int(CALL_S * 1000))
                if not len(pulled) and not pulled.notices:
                    raise RetryableError(f"kafka: {self._topic} gives no answer")
                ends = {end.partition: end.offset for end in self._told(pulled)}
                found += _wanted(_pieces(pulled), lasts)
                for partition, end in ends.items():
                    if end > lasts.get(partition, end):
                        del lasts[partition]
        finally:
            puller.close()
            reader.close()
        self._all_there(one, sum(piece.count for piece in found))
        return sorted(found, key=lambda piece: (piece.partition, piece.first))

    @override
    def _claimed(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._puller.claim(self._topic, partition)

    @override
    def _released(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._puller.release(self._topic, partition)

    @override
    def _close(self) -> None:
        self._puller.close()
        super()._close()

    def _told(self, pulled: Pulled) -> list[Notice]:
        """Return the ends of partitions that were reached.

        Raises:
            RunError: The topic cannot be read.
        """
        ends = []
        for notice in pulled.notices:
            if notice.code == PARTITION_EOF:
                ends.append(notice)
            elif notice.code in LASTING:
                raise RunError(f"kafka: {self._topic}: {notice.text}")
        return ends


def _pieces(pulled: Pulled) -> list[Events]:
    """Return the records of a pull, a piece a partition, sharing its buffer."""
    whole = Payloads(pulled.data, pulled.starts, pulled.ends, pulled.timestamp_us, pulled.offsets)
    return [Events(group.partition, whole.part(group.start, group.stop)) for group in pulled.groups]


def _wanted(pieces: list[Events], lasts: dict[int, int]) -> list[Events]:
    """Return what of pieces lies before the last wanted offsets; those reached are taken out."""
    found: list[Events] = []
    for piece in pieces:
        if (last := lasts.get(piece.partition)) is None:
            continue
        cut = piece.upto(last)
        found += [cut] if cut is not None else []
        if piece.last >= last:
            del lasts[piece.partition]
    return found

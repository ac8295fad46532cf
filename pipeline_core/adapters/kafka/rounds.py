"""Bring a topic to a store in rounds, each there once.

Before a round is written, what it holds is noted with its token in the group's own offsets: from
where to where of each partition. Whoever finds such a note, after a crash or because partitions
moved, reads exactly these records again and writes them with the same token, which the store passes
over if it has it. So neither a killed writer, nor one that was frozen and wakes up late, nor an
answer that was lost makes a row stand twice.
"""

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from typing_extensions import override

from oddspipe.core.adapters.kafka.client import said
from oddspipe.core.adapters.kafka.publisher import CALL_S, Reader
from oddspipe.core.adapters.kafka.records import Worker, reader_settings
from oddspipe.core.clock import Clock
from oddspipe.core.errors import FencedError, RetryableError, StateError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.output import Output
from oddspipe.core.ports.rounds import RoundSink

GATHER_NS: Final = 1_000_000_000
"""A round takes what comes within a second: a store likes few large blocks."""
WIDEST: Final = 100
"""Partitions of a round: their ranges have to fit into a note of 4 KB."""


TAKEN_OVER: Final = frozenset(
    {KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL}  # noqa: SLF001 - their name of it
)
REFUSED: Final = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)
"""The group is another by now: nothing was kept."""


class Round(msgspec.Struct, frozen=True):
    """What a round holds.

    Attributes:
        token: Its name, drawn once.
        parts: Partition, first and last offset, and how many records.
    """

    token: str
    parts: list[tuple[int, int, int, int]]


class Piece(Protocol):
    """Records of one partition that follow each other."""

    @property
    def partition(self) -> int:
        """Return whose they are."""
        ...

    @property
    def first(self) -> int:
        """Return the offset of the first."""
        ...

    @property
    def last(self) -> int:
        """Return the offset of the last."""
        ...

    @property
    def count(self) -> int:
        """Return how many they are."""
        ...


Some = TypeVar("Some", bound=Piece)


class Rounds(Reader, Generic[Some]):
    """Write what comes in rounds; how records are read and what they mean is told by heirs.

    Args:
        sink: Where they go.
        topic: The topic.
        worker: Whose publisher it is.
        clock: What rounds and pauses go by.
        draw: Draws a token that nobody has drawn before.
        most: Records of a round.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - as `Reader`, and what rounds need
        self,
        sink: RoundSink,
        topic: str,
        worker: Worker,
        clock: Clock,
        draw: Callable[[], str],
        most: int,
    ) -> None:
        """Take the parts; see `Reader`."""
        super().__init__(sink, topic, worker, clock)
        self._store, self._draw, self._most = sink, draw, most
        self._waiting: dict[int, list[Some]] = {}
        self._begun_ns = 0
        self._found: dict[str, tuple[Round, set[int]]] = {}
        self._taken: dict[int, int] = {}
        self._ends_seen: dict[int, int] = {}
        name = f"{worker.group}.{sink.name}.{worker.slot}.again"
        self._again_settings = {**reader_settings(worker), "client.id": name}

    @abstractmethod
    def _gathered(self, most: int) -> tuple[Sequence[Some], dict[int, int]]:
        """Return what has come, and the ends of partitions that were reached."""

    @abstractmethod
    def _read_again(self, one: Round) -> Sequence[Some]:
        """Return the very records of a round.

        Raises:
            RetryableError: Nobody answers.
            StateError: Some of them are gone.
        """

    @abstractmethod
    def _output(self, pieces: Iterable[Some]) -> Output:
        """Return what pieces hold, as the store takes it.

        Raises:
            StateError: They are none of ours.
        """

    def _claimed(self, partitions: Iterable[int]) -> None:
        """Be told of partitions before they are read."""

    def _released(self, partitions: Iterable[int]) -> None:
        """Be told of partitions that go."""

    @override
    def behind(self) -> int:
        """Return how many records of its partitions are not in the store yet."""
        return super().behind() + len(self._found)

    @override
    def _turn(self) -> None:
        """Finish what another has begun, gather, and write a round when it is time."""
        for one, partitions in list(self._found.values()):
            self._finish(one, partitions)
        room = self._most - self._count()
        found, ends = self._gathered(room) if room > 0 else ([], {})
        for piece in found:
            self._begun_ns = self._begun_ns if self._waiting else self._clock.monotonic_ns()
            self._waiting.setdefault(piece.partition, []).append(piece)
        self._ends_seen |= ends
        if not self._waiting:
            self._note(self._taken)
            # Not before the store has what lies before them.
            self._stands_at(self._ends_seen)
            self._ends_seen = {}
        elif self._is_full() or self._clock.monotonic_ns() - self._begun_ns > GATHER_NS:
            self._write()

    def _is_full(self) -> bool:
        """Say whether what waits is as much as a round may hold."""
        return self._count() >= self._most

    def _count(self) -> int:
        return sum(piece.count for some in self._waiting.values() for piece in some)

    def _write(self) -> None:
        """Note a round, write it, note that it is there."""
        chosen = dict(sorted(self._waiting.items())[:WIDEST])
        parts = [
            (p, some[0].first, some[-1].last, sum(piece.count for piece in some))
            for p, some in chosen.items()
        ]
        one = Round(self._draw(), parts)
        note = msgspec.json.encode(one).decode()
        try:
            noted = self._commit({p: (first, note) for p, first, _, _ in parts})
        except RetryableError as error:
            noted = self._was_noted(one, error)
        if not noted:
            return  # partitions have moved: what is still ours is tried again
        for partition in chosen:
            self._taken.pop(partition, None)  # this note says it, and must not be taken back
        passed("round.noted")
        if not self._put(one, [piece for some in chosen.values() for piece in some]):
            return
        for partition, some in chosen.items():
            if self._waiting.get(partition) is some:
                del self._waiting[partition]
        self._done(one, {p for p, *_ in parts})

    def _was_noted(self, one: Round, error: RetryableError) -> bool:
        """Ask whether a note stands whose answer was lost; False when the end came first.

        To draw another token instead would be wrong: where partitions move meanwhile, who gets one
        of them finds this note and writes all of its round.
        """
        self.trouble = error.message
        places = [TopicPartition(self._topic, p) for p, *_ in one.parts]
        standing: list[bool] = []

        def ask() -> None:
            try:
                stood = self._consumer.committed(places, CALL_S)
            except KafkaException as failed:
                raise RetryableError(f"kafka: {self._topic}: {said(failed)}") from failed
            standing.append(any(one.token in (place.metadata or "") for place in stood))

        return self._again(ask) and standing[-1]

    def _finish(self, one: Round, partitions: set[int]) -> None:
        """Write a round that was noted and perhaps written."""
        pieces: list[Some] = []

        def read() -> None:
            pieces[:] = self._read_again(one)

        if self._again(read) and self._put(one, pieces):
            self._found.pop(one.token, None)
            self._done(one, partitions)

    def _put(self, one: Round, pieces: Sequence[Some]) -> bool:
        """Write a round; False when the end came first."""
        output = self._output(pieces)
        passed("round.writing")
        if not self._again(lambda: self._store.write_round(output, one.token)):
            return False
        passed("round.written")
        self.written += sum(piece.count for piece in pieces)
        return True

    def _done(self, one: Round, partitions: set[int]) -> None:
        reached = {p: last + 1 for p, _, last, _ in one.parts if p in partitions}
        self._taken |= {p: at for p, at in reached.items() if p in self._assigned}
        self._stands_at(reached)
        self._note(self._taken)
        passed("round.done")

    def _note(self, taken: dict[int, int]) -> None:
        """Say that everything before these offsets is there; what fails is said again later."""
        with contextlib.suppress(RetryableError):
            if taken and self._commit({p: (at, "") for p, at in taken.items()}):
                self._taken = {}

    def _commit(self, places: dict[int, tuple[int, str]]) -> bool:
        """Keep offsets with their notes; False where the group refuses them.

        Raises:
            FencedError: Another worker has this slot.
            RetryableError: Perhaps kept, perhaps not.
        """
        offsets = [
            TopicPartition(self._topic, p, at, metadata=note) for p, (at, note) in places.items()
        ]
        try:
            kept = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            code = error.args[0].code()
            if code in REFUSED:
                return False
            if code in TAKEN_OVER:
                raise FencedError(
                    f"kafka: the publisher of {self.sink.name} was taken over by another worker: "
                    f"{said(error)}",
                    hint="Two workers have the same slot; end one of them.",
                ) from error
            raise RetryableError(f"kafka: {self._topic}: {said(error)}") from error
        return all(place.error is None for place in kept or ())

    def _all_there(self, one: Round, found: int) -> None:
        """See that all records of a round were read again.

        Raises:
            StateError: Some of them are gone.
        """
        if found != sum(count for *_, count in one.parts):
            raise StateError(
                f"kafka: {self._topic} does not hold any more what was being written to "
                f"{self.sink.name} when it ended",
                hint="Its retention is shorter than the stop was. Begin anew with another group.",
            )

    @override
    def _joined(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stood = self._stood(consumer, partitions)
        starts: dict[int, int] = {}
        for place in stood:
            starts[place.partition] = max(place.offset, 0)
            if place.offset >= 0 and place.metadata:
                one = _noted(place.metadata, self._topic)
                self._found.setdefault(one.token, (one, set()))[1].add(place.partition)
                starts[place.partition] = next(
                    last + 1 for p, _, last, _ in one.parts if p == place.partition
                )
        self._assigned |= starts
        self._has_joined = True
        self._claimed(starts)
        consumer.incremental_assign(
            [TopicPartition(self._topic, p, at) for p, at in starts.items()]
        )

    @override
    def _left(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._released(one.partition for one in partitions)
        for one in partitions:
            self._waiting.pop(one.partition, None)
            self._taken.pop(one.partition, None)
            for token, (_, ours) in list(self._found.items()):
                ours.discard(one.partition)
                if not ours:
                    del self._found[token]
        super()._left(consumer, partitions)


def _noted(note: str, topic: str) -> Round:
    try:
        return msgspec.json.decode(note, type=Round)
    except msgspec.DecodeError as error:
        raise StateError(
            f"kafka: the group of a publisher of {topic} holds a note that is none of ours",
            hint="Another program commits under this group; name another with --group.",
        ) from error

"""Bring the odds of a topic to one sink, in a thread of its own, from where it last stood.

What is committed in the odds topic is the truth; a sink that is down or slow falls behind in it and
catches up, and never holds up pricing. Its place is the committed offset of a group of its own,
moved only after the sink has taken what lies before; what is given twice after a crash it
recognises by its sequence.
"""

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition
from typing_extensions import override

from oddspipe.core.adapters.kafka.client import is_end
from oddspipe.core.adapters.kafka.published import output_of, read_message
from oddspipe.core.adapters.kafka.records import Worker, publisher_settings, reader_settings
from oddspipe.core.clock import Clock
from oddspipe.core.errors import OddspipeError, RetryableError, RunError
from oddspipe.core.failpoints import passed
from oddspipe.core.ports.sink import Sink

AT_ONCE: Final = 500
"""Messages of one write: some 10 MB of JSON at most."""
WAIT_S: Final = 0.02
CALL_S: Final = 8.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
TROUBLED_S: Final = 5.0
"""At the end a sink that cannot be reached is given so long."""
Record = tuple[int, int, bytes]
"""Partition, offset and value of a record."""


class Opened(Protocol):
    """What every kind of sink has."""

    @property
    def name(self) -> str:
        """Name of the sink."""
        ...

    def open(self) -> None:
        """Connect."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Reader(ABC):
    """Read an odds topic for one sink; what is done with it is told by those that inherit.

    Args:
        sink: Where the odds go; opened here, again and again while it cannot be reached.
        topic: The odds topic.
        worker: Whose publisher it is; its group is that of the worker, with the sink's name.
        clock: What pauses go by.

    Attributes:
        written: Messages that the sink has taken.
        trouble: What is wrong at the moment; empty when all is well.
        error: Why it has ended before it was told to.
    """

    def __init__(self, sink: Opened, topic: str, worker: Worker, clock: Clock) -> None:
        self.sink = sink
        self.written = 0
        self.trouble = ""
        self.error: OddspipeError | None = None
        self._topic, self._clock = topic, clock
        settings = publisher_settings(worker, sink.name)
        self._name = str(settings["client.id"])
        self._consumer = Consumer(settings)
        # Another thread asks how far the topic goes. From confluent-kafka 2.16 on a consumer serves
        # one thread at a time, and while one polls without a pause no other gets in.
        ends = {**reader_settings(worker), "client.id": f"{self._name}.ends"}
        self._ends = Consumer(ends)
        self._ended = threading.Event()
        self._jitter = random.Random(sink.name)  # noqa: S311 - spreads retries
        self._assigned: dict[int, int] = {}
        self._has_joined = False
        self._thread = threading.Thread(target=self._run, name=f"publish-{sink.name}", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def behind(self) -> int:
        """Return how many records of its partitions it has not taken yet; none if it has failed.

        Before it has joined its group it counts as one behind.

        Raises:
            RunError: The cluster does not answer.
        """
        if self.error is not None:
            return 0
        if not self._has_joined:
            return 1
        try:
            return sum(
                max(self._end_of(partition) - position, 0)
                for partition, position in dict(self._assigned).items()
            )
        except KafkaException as error:
            raise RunError(f"kafka: {self._topic}: {error.args[0].str()}") from error

    def stop(self, timeout_s: float) -> None:
        """End after what is being written; give up after a time."""
        self._ended.set()
        self._thread.join(timeout_s)

    def _end_of(self, partition: int) -> int:
        where = TopicPartition(self._topic, partition)
        return int(self._ends.get_watermark_offsets(where, CALL_S)[1])

    def _run(self) -> None:
        try:
            if self._again(self.sink.open, RunError):
                self._consumer.subscribe(
                    [self._topic], on_assign=self._joined, on_revoke=self._left, on_lost=self._left
                )
                while not self._ended.is_set():
                    self._turn()
        except OddspipeError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a sink may be a guest's
            self._fail(RunError(f"sink '{self.sink.name}' broke: {type(error).__name__}: {error}"))
        finally:
            self.sink.close()
            self._close()

    def _close(self) -> None:
        """Let go of the topic."""
        self._consumer.close()
        self._ends.close()

    @abstractmethod
    def _turn(self) -> None:
        """Take some of what has come to the sink."""

    def _polled(self, most: int = AT_ONCE) -> tuple[list[Record], dict[int, int]]:
        """Return the records that have come, and the ends of partitions that were reached."""
        found: list[Record] = []
        ends: dict[int, int] = {}
        for record in self._consumer.consume(most, WAIT_S):
            partition, offset, value = record.partition(), record.offset(), record.value()
            error = record.error()
            at_end = error is not None and is_end(error, self._topic)
            if partition is None or offset is None:
                continue
            if at_end:
                # Markers of transactions take offsets too: what ends here lies behind them.
                ends[partition] = offset
            elif error is None and value is not None:
                found.append((partition, offset, value))
        return found, ends

    def _stands_at(self, places: dict[int, int]) -> None:
        """Note how far the partitions that it still holds have been taken; never move back."""
        for partition, offset in places.items():
            if partition in self._assigned:
                self._assigned[partition] = max(self._assigned[partition], offset)

    def _again(self, call: Callable[[], None], passes: type[RunError] = RetryableError) -> bool:
        """Make a call until no error comes that passes; False when the end came first."""
        pause = FIRST_PAUSE_S
        while not self._ended.is_set():
            try:
                call()
            except passes as error:
                self.trouble = error.message
            else:
                self.trouble = ""
                return True
            self._ended.wait(pause * self._jitter.uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return False

    def _joined(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        stood = self._stood(consumer, partitions)
        self._assigned |= {one.partition: max(one.offset, 0) for one in stood}
        self._has_joined = True
        consumer.incremental_assign(
            [TopicPartition(one.topic, one.partition, max(one.offset, 0)) for one in stood]
        )

    def _stood(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Return where partitions stood; brokers that do not answer are waited for."""
        stood: list[TopicPartition] = []

        def ask() -> None:
            try:
                stood[:] = consumer.committed(partitions, CALL_S)
            except KafkaException as error:
                raise RetryableError(f"kafka: {self._topic}: {error.args[0].str()}") from error

        if partitions:
            self._again(ask)
        return stood

    def _left(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._assigned.pop(one.partition, None)
        consumer.incremental_unassign(partitions)

    def _fail(self, error: OddspipeError) -> None:
        self.error, self.trouble = error, error.message


class Publisher(Reader):
    """Keep a sink at the newest odds; what it is given twice it recognises by its sequence."""

    def __init__(self, sink: Sink, topic: str, worker: Worker, clock: Clock) -> None:
        """Take the parts; see `Reader`."""
        super().__init__(sink, topic, worker, clock)
        self._kept = sink

    @override
    def _turn(self) -> None:
        """Take what has come to the sink, then say so to the topic."""
        found, ends = self._polled()
        if not found:
            self._stands_at(ends)
            self._again(self._kept.refresh)
            return
        output = output_of(
            [read_message(value, f"{self._topic} [{p}] {at}") for p, at, value in found]
        )
        passed("publish.writing")
        if not self._again(lambda: self._kept.write(output)):
            return
        passed("publish.written")
        self.written += len(found)
        reached = {partition: offset + 1 for partition, offset, _ in found}
        places = [TopicPartition(self._topic, p, at) for p, at in reached.items()]
        self._consumer.commit(offsets=places, asynchronous=True)
        passed("publish.noted")
        # Not before the sink has taken it; an end that came along with the last records counts too.
        self._stands_at(reached)
        self._stands_at(ends)


def drain(publishers: "list[Reader]", timeout_s: float, clock: Clock) -> dict[str, int]:
    """Wait until all have taken what is there; return how far each is behind that did not."""
    begun_ns = clock.monotonic_ns()
    while True:
        late = [(one, behind) for one in publishers if (behind := one.behind())]
        spent_s = (clock.monotonic_ns() - begun_ns) / 1e9
        if all(spent_s > (TROUBLED_S if one.trouble else timeout_s) for one, _ in late):
            return {one.sink.name: behind for one, behind in late}
        clock.sleep(WAIT_S)

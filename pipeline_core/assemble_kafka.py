"""From a plan to a run over Kafka: one worker that reads the feed and writes in transactions."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oddspipe.core.adapters.dead_letters import Letters
from oddspipe.core.adapters.kafka.access import cluster_of, make_topics
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.committed import Committed
from oddspipe.core.adapters.kafka.dead_letter_topic import DeadLetterTopic
from oddspipe.core.adapters.kafka.feed_backup import FeedBackup
from oddspipe.core.adapters.kafka.feed_server import FeedServer, Placed
from oddspipe.core.adapters.kafka.ledger import Ledger
from oddspipe.core.adapters.kafka.publisher import Publisher, Reader, drain
from oddspipe.core.adapters.kafka.records import (
    Topics,
    Worker,
    corrections_topic,
    topic_configs,
)
from oddspipe.core.adapters.kafka.rounds import RoundPublisher
from oddspipe.core.adapters.kafka.written import SportRecords
from oddspipe.core.adapters.live.source import messages_of
from oddspipe.core.assemble import history_of, model_of, origin_of, redis_of
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import UsageError
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.books import add_up, anomalies_by_code, rejects_by_reason
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.meter import peak_rss_mb, rss_mb
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.transactional import TransactionalRunner
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.stages.accuracy import all_of
from oddspipe.core.stages.raw import RawMessages
from oddspipe.core.verify.correct import Corrector
from oddspipe.core.verify.corrections import Stretch
from oddspipe.core.verify.kafka import Pass, Verifier
from oddspipe.ext.records import Rows

DRAIN_S: Final = 30.0
"""Longest wait at the end for sinks that are behind; the next run goes on where they stand."""
LOOK_S: Final = 0.1
IN_TRANSACTION: Final = {"dead_letters": "topic of dead letters", "partner_log": "odds topic"}


@dataclass(frozen=True, slots=True)
class Slot:
    """Which worker this is.

    Attributes:
        group: Consumer group; the feed's or `oddspipe.<sport>` when left out.
        slot: Number of the worker in the group, from 0; stable over restarts.
        idle_us: End when nothing came for so long and all is drained; None to go on.
        prices: Reads the feed and writes odds.
        publishes: Brings the odds topic to sinks.
    """

    group: str | None = None
    slot: int = 0
    idle_us: int | None = None
    prices: bool = True
    publishes: bool = True


class Counted:
    """Write an output's records, and count what goes out; the same output twice counts once.

    Attributes:
        boards: Odds messages, by the highest number of each partition since the start.
    """

    def __init__(self, written: SportRecords) -> None:
        self._written = written
        self._first: dict[int, int] = {}
        self._next: dict[int, int] = {}

    def __call__(self, partition: int, output: Output) -> Iterator[tuple[str, Rows]]:
        """Yield topics and rows."""
        if len(output.odds):
            self._first.setdefault(partition, int(output.odds.number[0]))
            self._next[partition] = int(output.odds.number[-1]) + 1
        return self._written(partition, output)

    @property
    def boards(self) -> int:
        """Return how many odds messages have been written since the start."""
        return sum(self._next[p] - first for p, first in self._first.items())


@dataclass(slots=True)
class KafkaRun:
    """A worker that is ready: its topics are there, its sinks are not yet open."""

    plan: Plan
    topics: Topics
    worker: Worker
    runner: TransactionalRunner
    publishers: list[Reader]
    counted: Counted
    made: list[str]
    not_fed: list[str]
    _slot: Slot
    _clock: Clock
    _behind: dict[str, int]
    _seconds: float = 0.0

    @property
    def prices(self) -> bool:
        """Whether it reads the feed, and does not only publish."""
        return self._slot.prices

    def go(self, stop: StopSwitch) -> dict[str, Any]:
        """Run to the end and return the report.

        Raises:
            OddspipeError: The run could not go on; what was committed stands.
        """
        begun = self._clock.monotonic_ns()
        for publisher in self.publishers:
            publisher.start()
        try:
            if self._slot.prices:
                self.runner.run(stop, idle_us=self._slot.idle_us)
            else:
                self._publish(stop)
            self._behind = drain(self.publishers, DRAIN_S, self._clock)
        finally:
            for publisher in self.publishers:
                publisher.stop(DRAIN_S)
        self._seconds = (self._clock.monotonic_ns() - begun) / 1e9
        return self.report(stop)

    def _publish(self, stop: StopSwitch) -> None:
        """Wait until `stop` is turned, or until no sink is behind or was given anything for long.

        Raises:
            OddspipeError: A sink has ended for good.
        """
        before, since_ns = -1, self._clock.monotonic_ns()
        while not stop.requested:
            self.runner.beat_ns = now = self._clock.monotonic_ns()
            for one in self.publishers:
                if one.error is not None:
                    raise one.error
            written = sum(one.written for one in self.publishers)
            if written != before:
                before, since_ns = written, now
            idle_us = self._slot.idle_us
            if idle_us is not None and now - since_ns > idle_us * 1000:
                return
            self._clock.sleep(LOOK_S)

    def report(self, stop: StopSwitch) -> dict[str, Any]:
        """Return the report as JSON values; the books are of the partitions held at the end."""
        accounts = add_up([one.chain.accounts for one in self.runner.owned.values()])
        seconds = max(self._seconds, 1e-9)
        return {
            "plan": self.plan.logic_digest,
            "deployment": self.plan.deployment_digest,
            "sport": self.plan.sport,
            "environment": self.plan.deployment.environment,
            "group": self.worker.group,
            "slot": self.worker.slot,
            "topics": {
                "feed": self.topics.feed,
                "odds": self.topics.odds,
                "dead_letters": self.topics.dead_letters,
                "snapshots": self.topics.snapshots,
            },
            "stopped_by": stop.reason or None,
            "seconds": round(self._seconds, 3),
            "events_in": self.runner.events,
            "events_per_second": round(self.runner.events / seconds, 1),
            "partitions": {
                str(partition): one.committed for partition, one in self.runner.owned.items()
            },
            "commits": self.runner.commits,
            "restarts": self.runner.restarts,
            "trouble": self.runner.trouble,
            "odds_published": self.counted.boards,
            "stages": [account.as_report() for account in accounts],
            "balanced": all(account.balance() == 0 for account in accounts),
            "rejects": rejects_by_reason(accounts),
            "anomalies": anomalies_by_code(accounts),
            "accuracy": all_of(
                [one.chain.accuracy for one in self.runner.owned.values()]
            ).as_report(),
            "sinks": {
                one.sink.name: {
                    "outputs": one.written,
                    "behind": self._behind.get(one.sink.name, 0),
                    "trouble": one.trouble,
                }
                for one in self.publishers
            },
            "peak_rss_mb": round(peak_rss_mb(), 1),
            "rss_mb": round(rss_mb(), 1),
        }


def assemble_kafka(
    plan: Plan, slot: Slot, sinks: tuple[str, ...] | None, *, clock: Clock | None = None
) -> KafkaRun:
    """Make the topics that are missing and wire everything.

    Args:
        plan: The plan; its feed is a Kafka topic.
        slot: Which worker this is.
        sinks: Names of the plan's sinks to feed; None for all that can be.
        clock: What commits, snapshots and pauses go by.

    Raises:
        UsageError: The environment or a sink does not fit a run over Kafka.
        PluginError: The model does not load.
        RunError: The cluster does not answer.
    """
    clock = clock or SystemClock()
    cluster = cluster_of(plan)
    topics = topics_of(plan)
    worker = Worker(cluster, group_of(plan, slot.group), slot.slot)
    model = WatchedModel(model_of(plan))
    fed, not_fed = _fed(plan, sinks if slot.publishes else ())
    wanted: Mapping[str, Mapping[str, str]] = {topics.feed: {}, **topic_configs(topics)}
    made = make_topics(cluster, wanted, plan.feed.partitions) if slot.prices else []
    counted = Counted(SportRecords(topics, origin_of(plan), formats_of(plan), letters_of(plan)))
    runner = TransactionalRunner(
        KafkaLog(worker, topics),
        lambda: _chain(plan, model),
        lambda: Pulse(plan.kinds, plan.odds.at_once),
        counted,
        logic=plan.logic_digest,
        clock=clock,
        snapshot_us=plan.snapshot_interval_us,
        pause_us=plan.breaker_pause_us,
    )
    publishers = [
        _publisher(plan, sink, topics.odds, worker, clock)
        for sink in plan.sinks
        if sink.name in fed
    ]
    return KafkaRun(
        plan, topics, worker, runner, publishers, counted, made, not_fed, slot, clock, {}
    )


def _publisher(plan: Plan, sink: SinkPlan, topic: str, worker: Worker, clock: Clock) -> Reader:
    """Make what brings the odds topic to a sink."""
    if sink.kind == "redis":
        return Publisher(redis_of(plan, sink, _state(plan)), topic, worker, clock)
    store = history_of(plan, sink)
    return RoundPublisher(store, topic, worker, clock, lambda: uuid.uuid4().hex)


def topics_of(plan: Plan) -> Topics:
    """Return the names of a sport's topics."""
    return Topics.of(plan.sport, plan.feed.options.get("topic"))


def _chain(plan: Plan, model: WatchedModel) -> PartitionChain:
    """Make the stages of one partition; the provider's own messages are made events first."""
    read = None if plan.feed.format == "event" else RawMessages(messages_of(plan)).events
    return PartitionChain(plan, model, read=read)


def _fed(plan: Plan, wanted: tuple[str, ...] | None) -> tuple[list[str], list[str]]:
    """Return the names of the sinks that are fed from the odds topic, and of those that are not."""
    kinds = {sink.name: sink.kind for sink in plan.sinks}
    published = {sink.name for sink in plan.published}
    if unknown := [name for name in wanted or () if name not in kinds]:
        raise UsageError(
            f"{plan.sport} has no sink {', '.join(unknown)}", hint=f"It has {', '.join(kinds)}."
        )
    asked = [name for name in kinds if wanted is None or name in wanted]
    others = [name for name in asked if name not in published and kinds[name] not in IN_TRANSACTION]
    if wanted is not None and others:
        raise UsageError(
            f"a run over Kafka does not write to {', '.join(others)}",
            hint="Leave it out of --sinks, or name a server by `url`; the embedded engine belongs "
            "to one process.",
        )
    return [name for name in asked if name in published], others


def formats_of(plan: Plan) -> tuple[str, ...]:
    """Return the price formats of the odds topic: decimal, and what partners take besides."""
    takers: Mapping[str, Mapping[str, Any]] = plan.deployment.values.get("partner_list") or {}
    found = {name for partner in takers.values() for name in partner["formats"]}
    return ("decimal", *sorted(found - {"decimal"}))


def letters_of(plan: Plan) -> Letters:
    """Return what makes the dead letters of a plan."""
    return Letters(
        [column.name for column in plan.layout.columns],
        [rule.name for rule in plan.rules],
        plan.logic_digest,
    )


def verifier_of(plan: Plan, group: str | None) -> Verifier:
    """Make what checks the topics of a sport.

    Raises:
        UsageError: The environment names no cluster.
        PluginError: The model does not load.
    """
    topics = topics_of(plan)
    model = WatchedModel(model_of(plan))
    work = Pass(lambda: _chain(plan, model), origin_of(plan), formats_of(plan), letters_of(plan))
    return Verifier(cluster_of(plan), topics, plan.feed.partitions, group_of(plan, group), work)


def corrector_of(plan: Plan, group: str | None, backup: str | None) -> Corrector:
    """Make what corrects odds of a sport; the topic of corrections is made if it is missing.

    Raises:
        UsageError: The environment names no cluster.
        PluginError: The model does not load.
        RunError: The cluster does not answer.
    """
    topics, cluster, model = topics_of(plan), cluster_of(plan), WatchedModel(model_of(plan))
    partitions = plan.feed.partitions
    make_topics(cluster, {topics.odds: topic_configs(topics)[topics.odds]}, partitions)
    make_topics(cluster, {corrections_topic(topics): {}}, partitions)
    work = Pass(lambda: _chain(plan, model), origin_of(plan), formats_of(plan), letters_of(plan))
    named = {"name": plan.model.name, "version": plan.model.version}

    def stretch(begins: str, known_from: str) -> Stretch:
        return Stretch(plan.sport, plan.logic_digest, named, begins, known_from)

    kept = None if backup is None else FeedBackup(backup, topics.feed)
    return Corrector(cluster, topics, partitions, group_of(plan, group), work, stretch, kept)


def dead_letters_of(plan: Plan) -> DeadLetterTopic:
    """Return the dead letters of a sport; the topic of what was sent again is made if missing.

    Raises:
        UsageError: The environment names no cluster.
        RunError: The cluster does not answer.
    """
    cluster = cluster_of(plan)
    topics = topics_of(plan)
    make_topics(cluster, {topics.dead_letters: {}}, plan.feed.partitions)
    found = DeadLetterTopic(cluster, topics, plan.feed.partitions)
    make_topics(cluster, {found.marks: {"cleanup.policy": "compact"}}, 1)
    return found


def save_feed(plan: Plan, where: str) -> dict[int, int]:
    """Write what has come to the feed's topic since the last time; return counts by partition.

    Raises:
        UsageError: The environment names no cluster.
        RunError: The cluster does not answer, or the files cannot be written.
    """
    topic, read = topics_of(plan).feed, Committed(cluster_of(plan), group_of(plan, None))
    backup = FeedBackup(where, topic)
    return {p: backup.save(p, read, topic) for p in range(plan.feed.partitions)}


def ledger_of(plan: Plan) -> Ledger:
    """Return the ledger of the feed that is served in this environment."""
    return Ledger(_state(plan) / "feeds" / topics_of(plan).feed)


def feed_server_of(plan: Plan) -> FeedServer:
    """Return a server of the sport's feed; its topic is made if it is missing.

    Raises:
        UsageError: The environment names no cluster.
        RunError: The cluster does not answer.
    """
    topic = topics_of(plan).feed
    cluster, partitions = cluster_of(plan), plan.feed.partitions
    make_topics(cluster, {topic: {}}, partitions)
    return FeedServer(cluster, topic, Placed(plan, partitions), ledger_of(plan))


def group_of(plan: Plan, named: str | None) -> str:
    """Return the consumer group of a sport's workers: the one named, the feed's, or our own."""
    return named or plan.feed.options.get("group") or f"oddspipe.{plan.sport}"


def _state(plan: Plan) -> Path:
    return Path(plan.deployment.values["state"])

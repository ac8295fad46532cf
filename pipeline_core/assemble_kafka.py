"""From a plan to a run over Kafka: one worker that reads the feed and writes in transactions."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oddspipe.core.adapters.kafka.access import cluster_of, make_topics
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.committed import Committed
from oddspipe.core.adapters.kafka.dead_letter_topic import DeadLetterTopic
from oddspipe.core.adapters.kafka.event_rounds import EventPublisher
from oddspipe.core.adapters.kafka.feed_backup import FeedBackup
from oddspipe.core.adapters.kafka.feed_server import FeedServer, Placed
from oddspipe.core.adapters.kafka.ledger import Ledger
from oddspipe.core.adapters.kafka.odds_rounds import RoundPublisher
from oddspipe.core.adapters.kafka.publisher import Publisher, Reader, drain
from oddspipe.core.adapters.kafka.records import Worker, topic_configs
from oddspipe.core.adapters.kafka.topics import Topics, corrections_topic
from oddspipe.core.assemble import origin_of, redis_of
from oddspipe.core.assemble_clickhouse import events_of, history_of
from oddspipe.core.assemble_models import Shadows, model_of
from oddspipe.core.assemble_stages import (
    Counted,
    Slot,
    first_chain,
    formats_of,
    group_of,
    letters_of,
    refuse_other_state,
    stage_group,
    topics_of,
    work_of,
)
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import UsageError
from oddspipe.core.names import Stage
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.books import add_up, anomalies_by_code, rejects_by_reason
from oddspipe.core.runtime.chain import PriceChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.meter import peak_rss_mb, rss_mb
from oddspipe.core.runtime.transactional import TransactionalRunner
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.stages.accuracy import all_of
from oddspipe.core.verify.correct import Corrector
from oddspipe.core.verify.corrections import Stretch
from oddspipe.core.verify.kafka import Verifier
from oddspipe.core.verify.makes import Makes, Run

DRAIN_S: Final = 30.0
"""Longest wait at the end for sinks that are behind; the next run goes on where they stand."""
LOOK_S: Final = 0.1
IN_TRANSACTION: Final = {"dead_letters": "topic of dead letters", "partner_log": "odds topic"}


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
    shadows: Shadows
    _slot: Slot
    _clock: Clock
    _behind: dict[str, int]
    _seconds: float = 0.0

    @property
    def stage(self) -> Stage:
        """What it does of the work."""
        return self._slot.stage

    def go(self, stop: StopSwitch) -> dict[str, Any]:
        """Run to the end and return the report.

        Raises:
            OddspipeError: The run could not go on; what was committed stands.
        """
        begun = self._clock.monotonic_ns()
        for publisher in self.publishers:
            publisher.start()
        try:
            if self._slot.works:
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
            "stage": self.stage,
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
            "events_normalised": self.counted.events,
            "odds_published": self.counted.boards,
            "stages": [account.as_report() for account in accounts],
            "balanced": all(account.balance() == 0 for account in accounts),
            "rejects": rejects_by_reason(accounts),
            "anomalies": anomalies_by_code(accounts),
            "accuracy": all_of(
                [one.chain.accuracy for one in self.runner.owned.values()]
            ).as_report(),
            "shadow": self.shadows.report([one.chain.shadow for one in self.runner.owned.values()]),
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
    plan: Plan,
    slot: Slot,
    sinks: tuple[str, ...] | None,
    *,
    clock: Clock | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> KafkaRun:
    """Make the topics that are missing and wire everything.

    Args:
        plan: The plan; its feed is a Kafka topic.
        slot: Which worker this is.
        sinks: Names of the plan's sinks to feed; None for all that can be.
        clock: What commits, snapshots and pauses go by.
        tell: Is told what goes wrong beside the run, once.

    Raises:
        UsageError: The environment or a sink does not fit a run over Kafka.
        PluginError: The model does not load.
        RunError: The cluster does not answer.
    """
    clock = clock or SystemClock()
    work = work_of(plan, slot, tell)
    cluster = cluster_of(plan)
    worker = Worker(cluster, work.group, slot.slot)
    fed, not_fed = _fed(plan, sinks if slot.publishes else ())
    wanted: Mapping[str, Mapping[str, str]] = {
        topics_of(plan).feed: {},
        **topic_configs(topics_of(plan), apart=plan.apart),
    }
    made = []
    if slot.works:
        made = make_topics(cluster, wanted, plan.feed.partitions)
        refuse_other_state(plan, cluster, group_of(plan, slot.group))
    counted = Counted(work.written)
    runner = TransactionalRunner(
        KafkaLog(worker, work.topics),
        work.make_chain,
        work.make_pulse,
        counted,
        logic=plan.logic_digest,
        clock=clock,
        snapshot_us=plan.snapshot_interval_us,
        commit_us=work.commit_us,
        pause_us=plan.breaker_pause_us,
    )
    named = Worker(cluster, group_of(plan, slot.group), slot.slot)
    publishers = [
        one
        for sink in plan.sinks
        if sink.name in fed
        for one in _publishers(plan, sink, named, clock)
    ]
    return KafkaRun(
        plan,
        work.topics,
        worker,
        runner,
        publishers,
        counted,
        made,
        not_fed,
        work.shadows,
        slot,
        clock,
        {},
    )


def _publishers(plan: Plan, sink: SinkPlan, worker: Worker, clock: Clock) -> Iterator[Reader]:
    """Yield what brings the topics to a sink, and the shadow's to a history."""
    topics = topics_of(plan)
    if sink.kind == "redis":
        yield Publisher(redis_of(plan, sink, _state(plan)), topics.odds, worker, clock)
        return
    yield RoundPublisher(history_of(plan, sink), topics.odds, worker, clock, _token)
    if plan.shadow is not None:
        store = history_of(plan, sink, shadow=True)
        yield RoundPublisher(store, topics.shadow, worker, clock, _token)
    if plan.apart:
        yield EventPublisher(events_of(plan, sink), plan, topics.normalised, worker, clock, _token)


def _token() -> str:
    return uuid.uuid4().hex


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


def verifier_of(plan: Plan, group: str | None) -> Verifier:
    """Make what checks the topics of a sport.

    Raises:
        UsageError: The environment names no cluster.
        PluginError: The model does not load.
    """
    return Verifier(_run_of(plan, group), _makes_of(plan))


def _run_of(plan: Plan, group: str | None) -> Run:
    """Return where the topics of a run lie, and under which groups it reads them."""
    groups = [group_of(plan, group)]
    if plan.apart:
        groups = [stage_group(groups[0], stage) for stage in (Stage.NORMALISE, Stage.PRICE)]
    return Run(cluster_of(plan), topics_of(plan), plan.feed.partitions, tuple(groups))


def _makes_of(plan: Plan) -> Makes:
    model = WatchedModel(model_of(plan))
    return Makes(
        lambda: first_chain(plan, model),
        (lambda: PriceChain(plan, model)) if plan.apart else None,
        origin_of(plan),
        formats_of(plan),
        letters_of(plan),
    )


def corrector_of(plan: Plan, group: str | None, backup: str | None) -> Corrector:
    """Make what corrects odds of a sport; the topic of corrections is made if it is missing.

    Raises:
        UsageError: The environment names no cluster.
        PluginError: The model does not load.
        RunError: The cluster does not answer.
    """
    run = _run_of(plan, group)
    odds = topic_configs(run.topics)[run.topics.odds]
    make_topics(run.cluster, {run.topics.odds: odds}, run.partitions)
    make_topics(run.cluster, {corrections_topic(run.topics): {}}, run.partitions)
    named = {"name": plan.model.name, "version": plan.model.version}

    def stretch(begins: str, known_from: str) -> Stretch:
        return Stretch(plan.sport, plan.logic_digest, named, begins, known_from)

    kept = None if backup is None else FeedBackup(backup, run.topics.feed)
    return Corrector(run, group_of(plan, group), _makes_of(plan), stretch, kept)


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


def _state(plan: Plan) -> Path:
    return Path(plan.deployment.values["state"])

"""What each worker over Kafka does: which topics it reads and writes, under which names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from oddspipe.core.adapters.dead_letters import Letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.client import said
from oddspipe.core.adapters.kafka.records import CALL_S
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.kafka.written import EventRecords, SportRecords
from oddspipe.core.adapters.live.source import messages_of
from oddspipe.core.assemble import origin_of, shadow_origin_of
from oddspipe.core.assemble_models import Shadows, prices_of
from oddspipe.core.errors import UnreachableError, UsageError
from oddspipe.core.names import Stage
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.chain import NormaliseChain, PartitionChain, PriceChain
from oddspipe.core.runtime.fused import Chain
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.transactional import COMMIT_US, Written
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.raw import RawMessages
from oddspipe.core.stages.shadow import Shadow
from oddspipe.ext.records import Rows

NORMALISE_COMMIT_US: Final = 30_000
"""What is normalised waits for its commit before it can be priced: shorter, odds are younger."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Which worker this is.

    Attributes:
        group: Consumer group; the feed's or `oddspipe.<sport>` when left out.
        slot: Number of the worker in the group, from 0; stable over restarts.
        idle_us: End when nothing came for so long and all is drained; None to go on.
        stage: What it does.
    """

    group: str | None = None
    slot: int = 0
    idle_us: int | None = None
    stage: Stage = Stage.ALL

    @property
    def works(self) -> bool:
        """Whether it reads what comes and writes in transactions."""
        return self.stage is not Stage.PUBLISH

    @property
    def publishes(self) -> bool:
        """Whether it brings topics to sinks."""
        return self.stage in {Stage.ALL, Stage.PUBLISH}


class Counted:
    """Write an output's records, and count what goes out; the same output twice counts once."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._boards: dict[int, tuple[int, int]] = {}
        self._events: dict[int, tuple[int, int]] = {}

    def __call__(self, partition: int, output: Output) -> Iterator[tuple[str, Rows]]:
        """Yield topics and rows."""
        for seen, numbers in (
            (self._boards, output.odds.number),
            (self._events, output.events.numbers),
        ):
            if len(numbers):
                first, _ = seen.get(partition, (int(numbers[0]), 0))
                seen[partition] = first, int(numbers[-1]) + 1
        yield from self._written(partition, output)

    @property
    def boards(self) -> int:
        """Return how many odds messages have been written since the start."""
        return sum(after - first for first, after in self._boards.values())

    @property
    def events(self) -> int:
        """Return how many events have gone through since the start."""
        return sum(after - first for first, after in self._events.values())


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker does with each partition.

    Attributes:
        topics: Names of topics; `feed` is what it reads, `snapshots` where its state goes.
        group: Its consumer group.
        make_chain, make_pulse: Make the stages of a partition, and what watches over its games.
        written: What is written of an output.
        commit_us: Time from the first record of a transaction to its commit.
        shadows: Make the shadows of partitions.
    """

    topics: Topics
    group: str
    make_chain: Callable[[], Chain]
    make_pulse: Callable[[], Pulse]
    written: Written
    commit_us: int
    shadows: Shadows


def work_of(plan: Plan, slot: Slot, tell: Callable[[str], None] = lambda _: None) -> Work:
    """Return what a worker does; `tell` is told what goes wrong beside it, once.

    Raises:
        UsageError: The environment divides the work in another way.
        PluginError: The model does not load.
    """
    _refuse_other_division(plan, slot.stage)
    topics, group = topics_of(plan), group_of(plan, slot.group)
    shadows = Shadows(plan, tell)
    if slot.stage is Stage.NORMALISE:
        return Work(
            topics.of_normalise(),
            stage_group(group, slot.stage),
            lambda: NormaliseChain(plan, _reader(plan)),
            # It prices nothing: games that wait for odds are told of by those that do.
            lambda: Pulse((), ()),
            EventRecords(topics, letters_of(plan)),
            NORMALISE_COMMIT_US,
            shadows,
        )
    model = prices_of(plan)

    def make_chain() -> Chain:
        if plan.apart:
            return PriceChain(plan, model, shadows.one())
        return first_chain(plan, model, shadows.one())

    if plan.apart:
        topics, group = topics.of_price(), stage_group(group, Stage.PRICE)
    written = SportRecords(
        topics, origin_of(plan), formats_of(plan), letters_of(plan), shadow_origin_of(plan)
    )
    return Work(
        topics,
        group,
        make_chain,
        lambda: Pulse(plan.kinds, plan.odds.at_once),
        written,
        COMMIT_US,
        shadows,
    )


def _refuse_other_division(plan: Plan, stage: Stage) -> None:
    where = f"environment {plan.deployment.environment!r}"
    if plan.apart and stage is Stage.ALL:
        raise UsageError(
            f"{where} has `stages: apart`: one process does not do all of them",
            hint="Start them all with `oddspipe up`, or name one with --stage.",
        )
    if not plan.apart and stage is Stage.NORMALISE:
        raise UsageError(
            f"{where} has `stages: together`: what prices normalises too",
            hint="Leave --stage out, or give the environment `stages: apart`.",
        )


def refuse_other_state(plan: Plan, cluster: Cluster, group: str) -> None:
    """Refuse to begin where the work was divided in another way: its state is not ours.

    Raises:
        UsageError: It was.
        UnreachableError: The cluster does not answer.
    """
    other = group if plan.apart else stage_group(group, Stage.NORMALISE)
    places = [TopicPartition(topics_of(plan).feed, p) for p in range(plan.feed.partitions)]
    asked = Consumer({**cluster.settings(), "group.id": other, "enable.auto.commit": False})
    try:
        stood = asked.committed(places, CALL_S)
    except KafkaException as error:
        raise UnreachableError(f"kafka does not answer: {said(error)}") from error
    finally:
        asked.close()
    if any(place.offset >= 0 for place in stood):
        was, now = ("together", "apart") if plan.apart else ("apart", "together")
        raise UsageError(
            f"{plan.sport}: group {other} has run with `stages: {was}`; with `stages: {now}` all "
            "that the feed holds would be priced again",
            hint=f"Set `stages: {was}` again, or begin anew with another --group.",
        )


def first_chain(
    plan: Plan, model: Prices, shadow: Shadow | None = None
) -> "PartitionChain | NormaliseChain":
    """Make the stages that read the feed."""
    if plan.apart:
        return NormaliseChain(plan, _reader(plan))
    return PartitionChain(plan, model, shadow=shadow, read=_reader(plan))


def _reader(plan: Plan) -> Any:  # noqa: ANN401 - a function, or None
    """Return what makes events of the provider's own messages; None where they are events."""
    return None if plan.feed.format == "event" else RawMessages(messages_of(plan)).events


def topics_of(plan: Plan) -> Topics:
    """Return the names of a sport's topics."""
    feed = plan.feed.options.get("topic")
    return Topics.of(plan.sport, feed, shadow=plan.shadow is not None)


def group_of(plan: Plan, named: str | None) -> str:
    """Return the consumer group of a sport's workers: the one named, the feed's, or our own."""
    return named or plan.feed.options.get("group") or f"oddspipe.{plan.sport}"


def stage_group(group: str, stage: Stage) -> str:
    """Return the group of the workers of one stage, where stages are apart."""
    return f"{group}.{stage}"


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

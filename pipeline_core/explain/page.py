"""The whole explanation of a plan, as values."""

from dataclasses import dataclass

from oddspipe.core.explain.facts import Fact, SinkFacts, Store
from oddspipe.core.explain.memory import MemoryLine, memory_of
from oddspipe.core.explain.places import (
    placement_of,
    sinks_of,
    stores_of,
)
from oddspipe.core.explain.stages import StageFacts, stages_of
from oddspipe.core.explain.timing import (
    Delay,
    latency_of,
    load_of,
    ownership_of,
    recovery_of,
)
from oddspipe.core.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a plan means when it runs.

    Attributes:
        memory_bytes: Sum of the lines of memory.
        memory_without_gaps_bytes: What it is while no game waits for a missing event.
        latency_us: Sum of the delays that every conflated price pays.
    """

    sport: str
    title: str
    environment: str
    source: str
    logic_digest: str
    deployment_digest: str
    stages: list[StageFacts]
    placement: list[Fact]
    sinks: list[SinkFacts]
    stores: list[Store]
    recovery: list[Fact]
    memory: list[MemoryLine]
    memory_bytes: int
    memory_without_gaps_bytes: int
    latency: list[Delay]
    latency_us: int
    load: list[Fact]
    ownership: list[Fact]


def explain(plan: Plan) -> Explanation:
    """Say what a plan means when it runs."""
    memory, latency = memory_of(plan), latency_of(plan)
    total = sum(line.bytes for line in memory)
    return Explanation(
        plan.sport,
        plan.title,
        plan.deployment.environment,
        plan.deployment.source,
        plan.logic_digest,
        plan.deployment_digest,
        stages_of(plan),
        placement_of(plan),
        sinks_of(plan),
        stores_of(plan),
        recovery_of(plan),
        memory,
        total,
        total - sum(line.of_gaps for line in memory),
        latency,
        sum(delay.at_most_us for delay in latency if delay.on_path),
        load_of(plan),
        ownership_of(plan),
    )

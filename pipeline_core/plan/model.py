"""The plan: one sport, resolved and cross-checked; all that a run and a rendering read."""

from dataclasses import dataclass, field
from typing import Any

from oddspipe.core.batch.layout import Layout
from oddspipe.core.parts import (
    Breaker,
    Deployment,
    DerivedColumn,
    Duplicates,
    FeedPlan,
    Isolation,
    KindPlan,
    Load,
    MadeGame,
    ModelPlan,
    OddsPlan,
    Order,
    Owner,
    Retired,
    Rule,
    Schedule,
    ShadowPlan,
    SinkPlan,
    StateColumn,
)

"""Kinds of sinks that a run over Kafka feeds from the odds topic; partners read the topic."""


@dataclass(frozen=True)
class Plan:
    """Everything that is known of one sport in one environment before the first byte arrives."""

    sport: str
    title: str
    owner: Owner
    schema_version: int
    layout: Layout
    kinds: tuple[KindPlan, ...]
    feed: FeedPlan
    max_payload_bytes: int
    rules: tuple[Rule, ...]
    duplicates: Duplicates
    order: Order
    state: tuple[StateColumn, ...]
    derived: tuple[DerivedColumn, ...]
    model: ModelPlan
    odds: OddsPlan
    sinks: tuple[SinkPlan, ...]
    schedule: Schedule
    load: Load
    made_game: MadeGame
    alerts: dict[str, Any]
    snapshot_interval_us: int
    tests: tuple[dict[str, Any], ...]
    deployment: Deployment
    retired: Retired = field(default_factory=Retired)
    isolation: Isolation = field(default_factory=Isolation)
    shadow: ShadowPlan | None = None
    breaker: Breaker = field(default_factory=Breaker)
    breaker_pause_us: int = 30_000_000
    logic_digest: str = ""
    deployment_digest: str = ""

    @property
    def apart(self) -> bool:
        """Return whether normalise and price are workers of their own over Kafka."""
        return self.deployment.values.get("stages") == "apart"

    @property
    def published(self) -> tuple[SinkPlan, ...]:
        """Return the sinks that a run over Kafka feeds from the odds topic."""
        return tuple(
            sink
            for sink in self.sinks
            if sink.kind == "redis" or (sink.kind == "clickhouse" and self.clickhouse_url(sink))
        )

    def clickhouse_url(self, sink: SinkPlan) -> str:
        """Return the address of the server that a sink writes to; empty for the embedded engine."""
        place = self.deployment.values.get("clickhouse") or {}
        return str(sink.options.get("url") or place.get("url") or "")

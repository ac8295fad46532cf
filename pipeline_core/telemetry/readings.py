"""What a run stands at, in one form for every kind of run; read from other threads than its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.adapters.live.source import LiveSource
from oddspipe.core.assemble import Run
from oddspipe.core.assemble_models import Shadows, accuracy_of
from oddspipe.core.clock import Clock
from oddspipe.core.names import Stage
from oddspipe.core.ports.source import Source
from oddspipe.core.runtime.meter import Histogram
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.stages.accuracy import Accuracy, all_of
from oddspipe.core.stages.protocol import Account
from oddspipe.core.stages.shadow import Shadow

if TYPE_CHECKING:
    from oddspipe.core.assemble_ingest import IngestRun  # its client is an extra's
    from oddspipe.core.assemble_kafka import KafkaRun

HELD = "held"
"""Too many messages became dead letters: markets are suspended, nothing or little is taken."""
STUCK_S = 60.0
"""A loop that was not seen at work for so long hangs; a step takes milliseconds."""


@dataclass(frozen=True, slots=True)
class SinkReading:
    """One sink; what a kind of run does not know is None."""

    name: str
    trouble: str
    outputs: int
    retries: int | None = None
    waiting: int | None = None
    latency: Histogram | None = None


@dataclass(frozen=True, slots=True)
class LiveReading:
    """A feed that is received live."""

    protocol: str
    trouble: str
    spool_bytes: int
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class ShadowReading:
    """A model that is compared with the published one: its scores, failures, whether it is off."""

    accuracy: Accuracy
    failures: int
    off: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A run at one moment.

    Attributes:
        phase: What it does: starting, catching up, running, held, standby, draining, saving, done
            or failed.
        stuck: Whether its loop hangs.
        books: Books of each partition that it has, by number.
        pulses: The games of each partition.
        states: State of the live games of each partition: a row a game, by column.
        committed: Position before which everything is durable, by partition.
        suspended: Why all markets of a partition are suspended, by its number.
    """

    phase: str
    stuck: bool
    events: int
    boards: int
    snapshots: int
    books: dict[int, Sequence[Account]]
    pulses: list[Pulse]
    committed: dict[int, int]
    sinks: list[SinkReading]
    states: Sequence[Mapping[str, NDArray[np.float64]]] = ()
    accuracy: Accuracy | None = None
    shadow: ShadowReading | None = None
    failures: int | None = None
    commits: int | None = None
    restarts: int | None = None
    live: LiveReading | None = None
    troubles: list[str] = field(default_factory=list)
    suspended: dict[int, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether there is any use in going on with this process."""
        return not self.stuck and self.phase != "failed"

    @property
    def ready(self) -> bool:
        """Whether it does its work: state is taken up, and what comes is priced."""
        return self.healthy and self.phase in {"running", "standby"}


def of_fused(run: Run, clock: Clock) -> Reading:
    """Read a run in one process."""
    runner = run.runner
    progress = runner.progress
    phase = progress.phase
    if phase == "running" and progress.position < progress.silent_until:
        phase = "catching up"
    told = runner.hold.told(runner.chain.breaker)
    if told and phase == "running":
        phase = HELD
    live = _live(run.source)
    sinks = [
        SinkReading(
            lane.sink.name, lane.trouble, lane.written, lane.retries, lane.waiting, lane.latency
        )
        for lane in runner.lanes
    ]
    return Reading(
        phase,
        _stuck(progress.beat_ns, clock),
        runner.chain.accounts[0].taken - progress.events_before,
        runner.boards,
        runner.keeper.saved,
        {0: runner.chain.accounts},
        [runner.pulse],
        {0: progress.committed},
        sinks,
        accuracy=runner.chain.accuracy,
        shadow=_shadow(run.shadows, [runner.chain.shadow]),
        failures=runner.failures,
        live=live,
        troubles=[*_troubles(sinks, live.trouble if live else ""), *([told] if told else [])],
        suspended={0: told} if told else {},
        states=[runner.chain.live_states()],
    )


def _shadow(shadows: Shadows, these: Sequence[Shadow | None]) -> ShadowReading | None:
    if not shadows.model:
        return None
    patience = shadows.patience
    return ShadowReading(accuracy_of(these), patience.failed, off=bool(patience.off))


def _live(source: Source) -> LiveReading | None:
    if not isinstance(source, LiveSource):
        return None
    return LiveReading(source.name, source.words, source.spool_bytes, source.limit_bytes)


def of_kafka(run: "KafkaRun", clock: Clock) -> Reading:
    """Read a worker over Kafka."""
    runner = run.runner
    owned = dict(runner.owned)
    sinks = [SinkReading(one.sink.name, one.trouble, one.written) for one in run.publishers]
    phase = _phase(runner.beat_ns, [one.position < one.silent_until for one in owned.values()])
    suspended = runner.suspended()
    if suspended and phase == "running":
        phase = HELD
    return Reading(
        phase,
        _stuck(runner.beat_ns, clock),
        runner.events,
        run.counted.boards,
        runner.snapshots,
        {partition: one.chain.accounts for partition, one in owned.items()},
        # Games wait for odds where they are priced, not where they are normalised.
        [one.pulse for one in owned.values()] if run.stage is not Stage.NORMALISE else [],
        {partition: one.committed for partition, one in owned.items()},
        sinks,
        accuracy=all_of([one.chain.accuracy for one in owned.values()]),
        shadow=_shadow(run.shadows, [one.chain.shadow for one in owned.values()]),
        commits=runner.commits,
        restarts=runner.restarts,
        troubles=[
            *_brokers(runner.trouble),
            *_troubles(sinks, ""),
            *(f"partition {partition}: {why}" for partition, why in suspended.items()),
        ],
        suspended=suspended,
        states=[one.chain.live_states() for one in owned.values()],
    )


def of_ingest(run: "IngestRun", clock: Clock) -> Reading:
    """Read the ingest of a live feed."""
    ingest = run.ingest
    live = _live(run.source)
    return Reading(
        "running" if ingest.beat_ns else "starting",
        _stuck(ingest.beat_ns, clock),
        ingest.sent,
        0,
        0,
        {},
        [],
        {0: ingest.committed},
        [],
        commits=ingest.commits,
        restarts=ingest.restarts,
        live=live,
        troubles=[*_troubles([], live.trouble if live else ""), *_brokers(ingest.trouble)],
    )


def _phase(beat_ns: int, behind: list[bool]) -> str:
    """Return the phase of a worker; one without partitions stands by for those of another."""
    if not beat_ns:
        return "starting"
    if any(behind):
        return "catching up"
    return "running" if behind else "standby"


def _stuck(beat_ns: int, clock: Clock) -> bool:
    return beat_ns > 0 and clock.monotonic_ns() - beat_ns > STUCK_S * 1e9


def _brokers(trouble: str) -> list[str]:
    return [f"brokers: {trouble}"] if trouble else []


def _troubles(sinks: list[SinkReading], feed: str) -> list[str]:
    told = [f"{one.name}: {one.trouble}" for one in sinks if one.trouble]
    return [f"feed: {feed}", *told] if feed else told

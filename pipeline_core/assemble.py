"""From a plan and a command's settings to a run; alone picks adapters."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oddspipe.core.adapters.dead_letters import DeadLetters
from oddspipe.core.adapters.odds_digest import OddsDigest
from oddspipe.core.adapters.odds_file import OddsFile
from oddspipe.core.adapters.partner_log import PartnerLog
from oddspipe.core.adapters.partner_messages import Origin
from oddspipe.core.adapters.places import (
    CLICKHOUSE_FOLDER,
    DEAD_LETTERS_FILE,
    REDIS_FOLDER,
    SEGMENTS_FOLDER,
)
from oddspipe.core.adapters.secrets import secret
from oddspipe.core.adapters.state_folder import RunFacts, StateFolder
from oddspipe.core.assemble_clickhouse import stored_of
from oddspipe.core.assemble_models import Shadows, prices_of, ratings_of
from oddspipe.core.clock import Clock, SystemClock, process_started_ns
from oddspipe.core.errors import OddspipeError, PluginError, RunError, StateError, UsageError
from oddspipe.core.parts import SinkPlan
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.registry import load, load_sink
from oddspipe.core.ports.sink import Sink, SinkPlace
from oddspipe.core.ports.source import Erring, Source
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.feed import STEP_ROWS, Bounds, Feed
from oddspipe.core.runtime.fused import FusedRunner, Parts
from oddspipe.core.runtime.lane import Lane
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.recover import Keeper, Snapshot, newest
from oddspipe.core.runtime.report import report_of

LATEST = "latest"
LIVE = frozenset({"websocket", "pubsub"})
"""Protocols of feeds that are received through a spool, see `assemble_live`."""
GATHER_S = {"ClickHouse": 0.1, "OddsFile": 0.25, "DeadLetters": 0.05}
"""Time between two writes of sinks that keep history: 10 inserts a second, not 100."""


@dataclass(frozen=True, slots=True)
class Input:
    """What decides the input of a run; kept with its state and taken over by a resume.

    Attributes:
        source: `replay`, `simulator` or the name of a plug-in.
        folder: Folder of recorded games.
        games: How many games; None for all, or as many as the load profile says.
        day, season: Which recorded games: of a day, as YYYY-MM-DD, or of the season that began in
            a year; None for all.
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
    day: str | None = None
    season: int | None = None


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


@dataclass(slots=True)
class Run:
    """A run that is ready: its state folder is locked, its sinks are open."""

    plan: Plan
    settings: Settings
    folder: StateFolder
    runner: FusedRunner
    source: Source
    warnings: list[str]
    shadows: Shadows
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
            "state": str(_from_here(self.folder.path)),
            "input": asdict(self.settings.input),
            "resumed": self._resumed,
            "stopped_by": stop.reason or None,
            "warnings": self.warnings,
            "injected": self.source.injected() if isinstance(self.source, Erring) else {},
            **report_of(self.runner, process_started_ns=process_started_ns()),
            "shadow": self.shadows.report([self.runner.chain.shadow]),
        }


def assemble(
    plan: Plan,
    settings: Settings,
    *,
    clock: Clock | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Lock the state folder, open the sinks and wire everything.

    Args:
        plan: The plan.
        settings: How the run is made.
        clock: The time.
        tell: Is told what goes wrong beside the run, once.

    Raises:
        StateError: The folder is in use, holds another run's state, or cannot be used.
        UsageError: The settings do not fit together.
        PluginError: The model does not load.
        RunError: A sink or the source cannot be opened.
    """
    clock = clock or SystemClock()
    warnings: list[str] = []
    # Absolute: the ClickHouse engine changes the working folder for a moment when it is imported.
    where = _where(plan, settings, clock).absolute()
    folder = StateFolder(where, clock=clock, warn=warnings.append)
    folder.acquire()
    sinks: list[Sink] = []
    try:
        settings = _claim(folder, plan, settings)
        snapshot = newest(folder, plan.logic_digest)
        source = _source(plan, settings, folder, clock)
        sinks = sinks_of(plan, folder.path, settings)
        _open(sinks)
        bounds = Bounds(settings.input.limit, settings.input.until_us)
        shadows = Shadows(plan, tell)
        runner = FusedRunner(
            Parts(
                chain=PartitionChain(plan, prices_of(plan), shadow=shadows.one()),
                feed=Feed(source, bounds=bounds, step_rows=settings.step_rows, clock=clock),
                lanes=[
                    Lane(sink, clock=clock, gather_s=GATHER_S.get(type(sink).__name__, 0.0))
                    for sink in sinks
                ],
                keeper=Keeper(folder, interval_us=plan.snapshot_interval_us, clock=clock),
                digest=OddsDigest(),
                logic=plan.logic_digest,
                clock=clock,
                pulse=Pulse(plan.kinds, plan.odds.at_once),
                pause_us=plan.breaker_pause_us,
            )
        )
    except BaseException:
        for sink in sinks:
            sink.close()
        folder.release()
        raise
    _remember_latest(settings, folder.path)
    return Run(plan, settings, folder, runner, source, warnings, shadows, snapshot, settings.resume)


def _source(plan: Plan, settings: Settings, folder: StateFolder, clock: Clock) -> Source:
    """Make the source; one that receives a feed keeps what it received in the state folder."""
    if settings.input.source == plan.feed.protocol and plan.feed.protocol in LIVE:
        from oddspipe.core.assemble_live import live_source_of  # noqa: PLC0415 - an extra's

        return live_source_of(plan, folder, clock)
    return source_of(plan, settings.input, settings.speed)


def _open(sinks: Sequence[Sink]) -> None:
    """Open all sinks at once: each waits for a program or an engine of its own.

    Raises:
        OddspipeError: What the first of them, in the spec's order, raised.
    """
    if not sinks:
        return
    with ThreadPoolExecutor(len(sinks), "open") as pool:
        opened = [pool.submit(sink.open) for sink in sinks]
    for one in opened:
        one.result()


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


def _from_here(path: Path) -> Path:
    """Return a path as a person in the working folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


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


def source_of(plan: Plan, given: Input, speed: float | None) -> Source:
    """Make the source that a run reads.

    Raises:
        PluginError: There is no source of that name.
        RunError: There is nothing to read.
    """
    if given.source == "replay":
        return _recorded_games(plan, given, speed)
    if given.source == "simulator":
        from oddspipe.core.adapters.simulator.source import (  # noqa: PLC0415 - only what runs
            simulator_of,
        )

        games = None
        if given.folder:
            at_once = replace(given, games=given.games or plan.load.games_at_once)
            games = _recorded_games(plan, at_once, None)
        return simulator_of(plan, given, speed, games)
    made: Source = load("sources", given.source)(plan, given, speed)
    return made


def _recorded_games(plan: Plan, given: Input, speed: float | None) -> Source:
    from oddspipe.core.adapters.recorded import Selection  # noqa: PLC0415 - only what runs
    from oddspipe.core.adapters.replay import replay_of  # noqa: PLC0415 - as above

    selection = Selection(given.games, given.day, given.season)
    return replay_of(plan, Path(given.folder), speed, selection, rate=ratings_of(plan))


def sinks_of(plan: Plan, folder: Path, settings: Settings) -> list[Sink]:
    """Make the sinks that a run writes to; embedded ones lie below the state folder.

    Raises:
        UsageError: A sink that is asked for is not in the plan.
        RunError: The plan has a sink that this process cannot write to.
    """
    names = [sink.name for sink in plan.sinks]
    wanted = names if settings.sinks is None else list(settings.sinks)
    if unknown := [name for name in wanted if name not in names]:
        raise UsageError(
            f"{plan.sport} has no sink {', '.join(unknown)}", hint=f"It has {', '.join(names)}."
        )
    sinks = [_SINKS[one.kind](plan, one, folder) for one in plan.sinks if one.name in wanted]
    if settings.odds_out is not None:
        sinks.append(OddsFile(settings.odds_out.absolute(), segments=folder / SEGMENTS_FOLDER))
    return sinks


def with_login(url: str, place: Mapping[str, Any]) -> str:
    """Return an address with the name and password that an environment gives for it.

    >>> with_login("redis://cache:6379/0", {})
    'redis://cache:6379/0'

    Raises:
        RunError: The password cannot be read.
    """
    if not url or not place.get("password"):
        return url
    scheme, _, rest = url.partition("://")
    word = quote(secret(str(place["password"])), safe="")
    return f"{scheme}://{quote(place.get('username') or '', safe='')}:{word}@{rest}"


def redis_of(plan: Plan, sink: SinkPlan, folder: Path) -> Sink:
    """Make the sink that keeps current odds in Redis; an embedded server lies below `folder`."""
    from oddspipe.core.adapters.redis.client import Lifetimes, RedisCurrent  # noqa: PLC0415
    from oddspipe.core.adapters.redis.embedded import EmbeddedRedis  # noqa: PLC0415

    place = plan.deployment.values.get("redis") or {}
    url = with_login(str(sink.options.get("url") or place.get("url") or ""), place)
    stale = plan.odds.stale_after_us
    lifetimes = Lifetimes(
        ttl_us=sink.options["ttl"],
        memory_us=sink.options["memory"],
        # Stale once the feed has missed its heartbeat, suspended as the spec says.
        stale_us=min(plan.feed.heartbeat_us, stale),
        suspended_us=stale,
    )
    embedded = None if url else EmbeddedRedis(folder / REDIS_FOLDER)
    return RedisCurrent(plan.sport, lifetimes=lifetimes, embedded=embedded, url=url, name=sink.name)


def _clickhouse(plan: Plan, sink: SinkPlan, folder: Path) -> Sink:
    from oddspipe.core.adapters.clickhouse.client import (  # noqa: PLC0415 - 200 MB
        ClickHouse,
        open_embedded,
    )

    place = plan.deployment.values.get("clickhouse") or {}
    if sink.options.get("url") or not place.get("embedded"):
        raise RunError(
            f"sink '{sink.name}': the fused runner writes to the embedded ClickHouse only",
            hint="Set clickhouse: {embedded: true} in this environment of platform.yaml.",
        )
    return ClickHouse(
        lambda: open_embedded(folder / CLICKHOUSE_FOLDER),
        stored=stored_of(plan, sink),
        name=sink.name,
    )


def origin_of(plan: Plan) -> Origin:
    """Return what is the same in every odds message of a plan."""
    return Origin(
        plan.sport,
        plan.model.name,
        plan.model.version,
        plan.logic_digest,
        plan.odds.stale_after_us,
    )


def shadow_origin_of(plan: Plan) -> Origin | None:
    """Return what is the same in every message of the plan's shadow; None without one."""
    if plan.shadow is None:
        return None
    model = plan.shadow.model
    return replace(origin_of(plan), model=model.name, model_version=model.version, stream="shadow")


def _partner_log(plan: Plan, sink: SinkPlan, folder: Path) -> Sink:
    values = plan.deployment.values
    below = (values.get("partners") or {}).get("folder") or "partners"
    takers: Mapping[str, Mapping[str, Any]] = values.get("partner_list") or {}
    formats = {name: list(partner["formats"]) for name, partner in takers.items()}
    return PartnerLog(folder / below, origin=origin_of(plan), partners=formats, name=sink.name)


def _dead_letters(plan: Plan, sink: SinkPlan, folder: Path) -> Sink:
    return DeadLetters(
        folder / DEAD_LETTERS_FILE,
        fields=[column.name for column in plan.layout.columns],
        rules=[rule.name for rule in plan.rules],
        plan=plan.logic_digest,
        name=sink.name,
    )


def _kafka(_plan: Plan, sink: SinkPlan, _folder: Path) -> Sink:
    raise RunError(
        f"sink '{sink.name}' is a Kafka topic, which the fused runner does not write to",
        hint="Leave it out with --sinks, or run the sport distributed.",
    )


def _plugin(plan: Plan, sink: SinkPlan, folder: Path) -> Sink:
    name = sink.options["name"]
    made = load_sink(name)
    place = SinkPlace(sink.name, plan.sport, plan.logic_digest, folder)
    try:
        return made(made.Parameters(**sink.options["parameters"]), place)
    except OddspipeError:
        raise
    except Exception as error:  # a guest may raise anything
        raise PluginError(
            f"sink {name!r} cannot be made: {type(error).__name__}: {error}",
            hint="oddspipe validate says which parameter is wrong.",
        ) from error


_SINKS: Mapping[str, Callable[[Plan, SinkPlan, Path], Sink]] = {
    "redis": redis_of,
    "clickhouse": _clickhouse,
    "partner_log": _partner_log,
    "dead_letters": _dead_letters,
    "kafka": _kafka,
    "plugin": _plugin,
}

"""Times and amounts that must fit together: windows, retention, cadence, load, workers."""

from collections.abc import Iterator

from oddspipe.core.batch.layout import Layout
from oddspipe.core.names import FieldType
from oddspipe.core.near import near
from oddspipe.core.plan.checks.expressions import Scope, kind_problems
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.feed import KafkaFeed
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

DUPLICATE_KEY = ("game_id", "event_id", "revision")
_SURE = 1.0
_LONG = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"))


def duration_text(us: int) -> str:
    """Return a duration as a person writes it.

    >>> duration_text(11_520_000_000), duration_text(20_000)
    ('3h12m', '20ms')
    """
    parts = []
    for size, unit in _LONG:
        count, us = divmod(us, size)
        if count:
            parts.append(f"{count}{unit}")
    if us:
        parts.append(f"{us // 1000}ms" if us % 1000 == 0 else f"{us}us")
    return "".join(parts) or "0s"


def timing_problems(
    spec: SportSpec, scope: Scope, platform: PlatformSpec | None
) -> Iterator[Problem]:
    """Yield times and amounts of a spec that contradict each other."""
    yield from _windows(spec)
    yield from _cadence(spec, scope)
    yield from _load(spec)
    yield from _made_game(spec, scope.layout)
    if platform is not None:
        yield from _workers(spec, platform)


def _windows(spec: SportSpec) -> Iterator[Problem]:
    missing = [name for name in DUPLICATE_KEY if name not in spec.duplicates.key]
    if spec.feed.key not in spec.duplicates.key:
        yield Problem(
            "duplicates.scope",
            ("duplicates", "key"),
            f"The key leaves out {spec.feed.key!r}, which places events on partitions: two copies "
            "on two partitions would not be seen as one.",
            f"Write [{', '.join(DUPLICATE_KEY)}].",
        )
    elif missing or len(spec.duplicates.key) != len(DUPLICATE_KEY):
        yield Problem(
            "duplicates.key",
            ("duplicates", "key"),
            f"An event is known by {', '.join(DUPLICATE_KEY)}; the key says "
            f"{', '.join(spec.duplicates.key)}.",
            f"Write [{', '.join(DUPLICATE_KEY)}].",
        )
    retention = spec.feed.retention
    for path, value, what in (
        (("duplicates", "window"), spec.duplicates.window, "The window for duplicates"),
        (("order", "window"), spec.order.window, "The window of order"),
        (("recovery", "snapshot_every"), spec.recovery.snapshot_every, "The snapshot interval"),
    ):
        if value >= retention:
            yield Problem(
                "window.retention",
                path,
                f"{what} ({duration_text(value)}) is not shorter than the feed's retention "
                f"({duration_text(retention)}): after a crash it could not be read again.",
                "Shorten it, or raise feed.retention.",
            )
    if spec.order.window > spec.duplicates.window:
        yield Problem(
            "window.order",
            ("order", "window"),
            f"An event may wait {duration_text(spec.order.window)} in order, but is remembered "
            f"as seen for {duration_text(spec.duplicates.window)} only.",
            "Raise duplicates.window above order.window.",
            severity="warning",
        )


def _cadence(spec: SportSpec, scope: Scope) -> Iterator[Problem]:
    odds = spec.odds
    at: Path = ("odds", "cadence")
    # Sports without corrections or deletes may still take the shared list.
    fixed = scope.kinds | {"correction", "delete", "score", "game_start", "game_end", "play"}
    yield from kind_problems((*at, "at_once"), odds.cadence.at_once, frozenset(fixed))
    if odds.cadence.conflate >= odds.stale_after:
        yield Problem(
            "cadence.stale",
            (*at, "conflate"),
            f"Prices may wait {duration_text(odds.cadence.conflate)}, but are stale after "
            f"{duration_text(odds.stale_after)}.",
            "Shorten conflate, or raise odds.stale_after.",
        )
    if spec.feed.heartbeat >= odds.stale_after:
        yield Problem(
            "stale.heartbeat",
            ("odds", "stale_after"),
            f"Odds are stale after {duration_text(odds.stale_after)} of silence, but the feed "
            f"says that it is alive only every {duration_text(spec.feed.heartbeat)}: every pause "
            "would suspend all markets.",
            "Make stale_after at least twice feed.heartbeat.",
        )
    if spec.order.window >= odds.stale_after:
        yield Problem(
            "stale.order",
            ("order", "window"),
            f"An event may wait {duration_text(spec.order.window)} for the one before it; by then "
            f"the odds are stale ({duration_text(odds.stale_after)}).",
            "Shorten order.window, or raise odds.stale_after.",
            severity="warning",
        )
    if spec.alerts.silent_game < spec.feed.heartbeat:
        yield Problem(
            "alerts.heartbeat",
            ("alerts", "silent_game"),
            f"The alert rings after {duration_text(spec.alerts.silent_game)} of silence, sooner "
            f"than the feed's heartbeat ({duration_text(spec.feed.heartbeat)}).",
            "Raise it above feed.heartbeat.",
            severity="warning",
        )


def _load(spec: SportSpec) -> Iterator[Problem]:
    mix = spec.load.mix
    if mix.tracking + mix.market > _SURE:
        yield Problem(
            "load.mix",
            ("load", "mix"),
            f"The shares add up to {mix.tracking + mix.market:.0%}.",
            "They are shares of all events; plays are the rest.",
        )
    most = max((window.games for window in spec.schedule.windows), default=0)
    if most > spec.load.games_at_once:
        yield Problem(
            "load.games",
            ("load", "games_at_once"),
            f"The schedule starts {most} games at once, the load says {spec.load.games_at_once}.",
            f"Say at least {most}.",
        )
    names: set[str] = set()
    for index, phase in enumerate(spec.load.phases):
        if phase.name in names:
            yield Problem(
                "load.phase-duplicate",
                ("load", "phases", index, "name"),
                f"There is already a phase {phase.name!r}.",
            )
        names.add(phase.name)


def _made_game(spec: SportSpec, layout: Layout) -> Iterator[Problem]:
    made = spec.made_game
    if sum(made.points.values()) * 2 > _SURE:
        yield Problem(
            "made_game.points",
            ("made_game", "points"),
            f"The chances of both sides add up to {sum(made.points.values()) * 2:.0%} a play.",
            "Each is the chance that one side scores so many points on a play.",
        )
    for index, name in enumerate(made.draw):
        at: Path = ("made_game", "draw", index)
        if name not in layout.index:
            yield _no_field(at, name, layout)
            continue
        column = layout.columns[layout.index[name]]
        if column.type is not FieldType.ENUM and (column.low is None or column.high is None):
            yield Problem(
                "made_game.range",
                at,
                f"{name!r} has no range to draw from.",
                f"Give event.fields.{name} a range.",
            )
    for name in made.pregame:
        at = ("made_game", "pregame", name)
        if name not in layout.index:
            yield _no_field(at, name, layout, on_key=True)
        elif not layout.columns[layout.index[name]].is_double:
            yield Problem(
                "made_game.type",
                at,
                f"{name!r} is not a double; a normal draw gives any number.",
                "Make it a double, or leave it away.",
                on_key=True,
            )


def _no_field(at: Path, name: str, layout: Layout, *, on_key: bool = False) -> Problem:
    return Problem(
        "field.unknown",
        at,
        f"Events have no field {name!r}.",
        near(name, layout.index),
        on_key=on_key,
    )


def _workers(spec: SportSpec, platform: PlatformSpec) -> Iterator[Problem]:
    for name, environment in platform.environments.items():
        partitions = environment.partitions or spec.feed.partitions
        if environment.replicas > partitions:
            yield Problem(
                "replicas.partitions",
                ("feed", "partitions"),
                f"Environment {name!r} runs {environment.replicas} workers for {partitions} "
                "partitions: some would stand idle.",
                f"Have at least {environment.replicas} partitions, or fewer replicas in "
                "platform.yaml.",
            )
        if (
            isinstance(spec.feed, KafkaFeed)
            and environment.source == "feed"
            and environment.kafka is None
            and spec.feed.brokers is None
        ):
            yield Problem(
                "feed.brokers",
                ("feed", "protocol"),
                f"Environment {name!r} takes the feed from Kafka, but nobody says where it is.",
                "Give the environment kafka.brokers, or the feed brokers.",
            )

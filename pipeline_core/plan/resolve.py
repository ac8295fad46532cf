"""From a typed spec and platform to a plan: everything resolved, nothing left to look up.

Mappings of the spec come in an order of our own, so that the order of keys in a file decides
nothing: neither the digests, nor the layout of a snapshot, nor a byte of the odds.
"""

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from oddspipe.core.batch.layout import Layout
from oddspipe.core.batch.sql import columns_of
from oddspipe.core.errors import SpecError, UsageError
from oddspipe.core.names import Market, Policy
from oddspipe.core.near import near
from oddspipe.core.parts import (
    Breaker,
    Deployment,
    DerivedColumn,
    Duplicates,
    FeedPlan,
    Guard,
    Isolation,
    KindPlan,
    Load,
    MadeGame,
    MarketPlan,
    ModelPlan,
    OddsPlan,
    Order,
    Owner,
    Phase,
    RecordedEvent,
    RecordedTable,
    Recording,
    Retired,
    Rule,
    Schedule,
    Scoring,
    ShadowPlan,
    SinkPlan,
    StateColumn,
)
from oddspipe.core.plan.check import check
from oddspipe.core.plan.checks.expressions import WAS
from oddspipe.core.plan.checks.odds import kept_by, market_of
from oddspipe.core.plan.columns import FIXED_KINDS, kinds_of, layout_of
from oddspipe.core.plan.digest import with_digests
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.registry import load_model
from oddspipe.core.spec.feed import FeedSpec, RecordedEventSpec, RecordingSpec
from oddspipe.core.spec.model import ModelSpec, RetiredSpec, ShadowSpec, SportSpec
from oddspipe.core.spec.odds import MarketSpec, OddsSpec
from oddspipe.core.spec.platform import SPORT, EnvironmentSpec, PlatformSpec
from oddspipe.core.spec.sinks import Sink

_HALF_POINT = 0.5
_MARKETS = tuple(Market)


def resolve(spec: SportSpec, platform: PlatformSpec, environment: str) -> Plan:
    """Resolve one sport in one environment into a plan with its digests.

    Raises:
        SpecError: `check` finds an error; its message is the first of them.
        UsageError: The platform has no such environment.
    """
    if environment not in platform.environments:
        raise UsageError(
            f"there is no environment {environment!r}",
            hint=near(environment, platform.environments),
        )
    errors = [one for one in check(spec, platform) if one.severity == "error"]
    if errors:
        where = ".".join(str(step) for step in errors[0].path)
        raise SpecError(f"{where}: {errors[0].message}", hint=errors[0].hint)
    return planned(spec, platform, environment)


def planned(spec: SportSpec, platform: PlatformSpec, environment: str) -> Plan:
    """Resolve a spec that `check` found sound, without checking it again.

    Raises:
        PluginError: The model does not load.
    """
    layout = layout_of(spec)
    place = platform.environments[environment]
    kinds = kinds_of(spec.event)
    return with_digests(
        Plan(
            sport=spec.sport,
            title=spec.title,
            owner=Owner(spec.owner.team, spec.owner.contact, spec.owner.pager),
            schema_version=spec.schema_version,
            layout=layout,
            kinds=kinds,
            feed=_feed(spec.feed, place),
            max_payload_bytes=spec.feed.max_payload,
            rules=_rules(spec, kinds),
            duplicates=Duplicates(spec.duplicates.window),
            order=Order(
                spec.order.first_sequence,
                spec.order.window,
                spec.order.late,
                spec.order.max_held,
                spec.order.max_gap,
            ),
            state=_state(spec, layout, kinds),
            derived=_derived(spec.state.derive),
            model=_model(spec.model),
            odds=_odds(spec.odds, kinds),
            sinks=tuple(_sink(name, sink) for name, sink in spec.sinks.items()),
            schedule=schedule_of(spec),
            load=_load(spec),
            made_game=_made_game(spec),
            alerts=spec.alerts.plain(),
            snapshot_interval_us=spec.recovery.snapshot_every,
            tests=tuple(case.plain() for case in spec.tests),
            deployment=Deployment(
                environment,
                spec.feed.protocol if place.source == "feed" else place.source,
                _values(spec, platform, place),
            ),
            retired=_retired(spec.event.retired),
            isolation=_isolation(spec.model),
            shadow=_shadow(spec.model.shadow),
            breaker=Breaker(
                spec.dead_letters.breaker.max_rate,
                spec.dead_letters.breaker.window,
                spec.dead_letters.breaker.min_messages,
                spec.dead_letters.breaker.probe,
            ),
            breaker_pause_us=spec.dead_letters.breaker.pause,
        )
    )


def _values(spec: SportSpec, platform: PlatformSpec, place: EnvironmentSpec) -> dict[str, Any]:
    takers = {
        name: partner.plain()
        for name, partner in platform.partners.items()
        if spec.sport in partner.sports
    }
    values = place.plain()
    login = {key: values["redis"][key] for key in ("username", "password")}
    values["redis"] |= {
        key: text and text.replace(SPORT, spec.sport) for key, text in login.items()
    }
    return {
        **values,
        "partner_list": takers,
        "owners": {name: owner.plain() for name, owner in platform.owners.items()},
        "prices": platform.prices.plain(),
    }


def _retired(spec: RetiredSpec) -> Retired:
    def by_number(pairs: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(pairs.items(), key=lambda pair: pair[1]))

    return Retired(
        by_number(spec.fields),
        by_number(spec.kinds),
        tuple((field, by_number(values)) for field, values in sorted(spec.values.items())),
    )


def _numbers(names: tuple[str, ...], kinds: tuple[KindPlan, ...]) -> tuple[int, ...]:
    known = FIXED_KINDS | {kind.name: kind.number for kind in kinds}
    return tuple(sorted({known[name] for name in names}))


def _rules(spec: SportSpec, kinds: tuple[KindPlan, ...]) -> tuple[Rule, ...]:
    before = {WAS + name for name in spec.state.columns}
    return tuple(
        Rule(
            rule.name,
            rule.check,
            temporal=rule.policy is not Policy.DEAD_LETTER
            or not before.isdisjoint(columns_of(rule.check)),
            on=_numbers(rule.on, kinds),
            policy=rule.policy,
        )
        for rule in spec.rules
    )


def _state(spec: SportSpec, layout: Layout, kinds: tuple[KindPlan, ...]) -> tuple[StateColumn, ...]:
    return tuple(
        StateColumn(
            name,
            column.take,
            column.of,
            _numbers(column.on, kinds),
            is_double=column.of is not None and layout.columns[layout.index[column.of]].is_double,
            default=column.default,
            where=column.where,
        )
        for name, column in sorted(spec.state.columns.items())
    )


def _derived(columns: Mapping[str, str]) -> tuple[DerivedColumn, ...]:
    """Put each column behind those it reads, else by name: the order of the file decides nothing.

    >>> [column.name for column in _derived({"lead": "home - away", "big": "lead > 9"})]
    ['lead', 'big']
    """
    sorter = TopologicalSorter(
        {name: columns.keys() & set(columns_of(sql)) for name, sql in columns.items()}
    )
    sorter.prepare()
    placed: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        placed += ready
        sorter.done(*ready)
    return tuple(DerivedColumn(name, columns[name]) for name in placed)


def _isolation(spec: ModelSpec | ShadowSpec) -> Isolation:
    return Isolation(spec.isolation == "process", spec.deadline, spec.memory)


def _shadow(spec: ShadowSpec | None) -> ShadowPlan | None:
    if spec is None:
        return None
    return ShadowPlan(_model(spec), _isolation(spec), spec.failures)


def _model(spec: ModelSpec | ShadowSpec) -> ModelPlan:
    model = load_model(spec.name)
    parameters = model.Parameters.model_validate(spec.parameters).model_dump(mode="json")
    return ModelPlan(spec.name, model.version, parameters, tuple(model.scopes), tuple(model.inputs))


def _odds(spec: OddsSpec, kinds: tuple[KindPlan, ...]) -> OddsPlan:
    markets = [_market(name, market, spec) for name, market in spec.markets.items()]
    return OddsPlan(
        markets=tuple(sorted(markets, key=_place)),
        formats=spec.formats,
        at_once=_numbers(spec.cadence.at_once, kinds),
        conflate_us=spec.cadence.conflate,
        stale_after_us=spec.stale_after,
        guards=tuple(Guard(one.name, one.suspend_when, one.policy) for one in spec.guards),
        frozen_after_us=spec.frozen_after,
        policies=tuple(
            (code, Policy(policy))
            for code, policy in sorted(spec.anomalies.plain().items())
            if policy != Policy.SUSPEND
        ),
    )


def _place(market: MarketPlan) -> tuple[bool, str, int]:
    """Return the place of a market on a board: the whole game first."""
    return market.scope != "game", market.scope, _MARKETS.index(market.market)


def _market(name: str, entry: MarketSpec, odds: OddsSpec) -> MarketPlan:
    market = market_of(name, entry)
    if market is None:
        raise SpecError(f"odds.markets.{name}: not a market")
    margin, price = entry.margin or odds.margin, entry.price or odds.price
    lined = market is not Market.MONEYLINE
    return MarketPlan(
        market=market,
        scope=entry.scope,
        step=(entry.step or _HALF_POINT) if lined else 0.0,
        whole=entry.whole and lined,
        alternates=entry.alternates,
        fixed_line=entry.line,
        margin_method=margin.method,
        margin=margin.overround,
        price_floor=price.floor,
        price_cap=price.cap,
    )


def _sink(name: str, sink: Sink) -> SinkPlan:
    keeps, why = kept_by(sink)
    options = {
        key: value for key, value in sink.plain().items() if key not in {"kind", "guarantee"}
    }
    return SinkPlan(name, sink.kind, sink.guarantee, keeps, why, options)


_FEED_KEYS = frozenset(
    {
        "protocol",
        "format",
        "heartbeat",
        "partitions",
        "key",
        "retention",
        "max_payload",
        "payload",
        "mapping",
        "recording",
    }
)


def _feed(feed: FeedSpec, place: EnvironmentSpec) -> FeedPlan:
    plain = feed.plain()
    return FeedPlan(
        protocol=plain["protocol"],
        format=feed.format,
        heartbeat_us=feed.heartbeat,
        partitions=place.partitions or feed.partitions,
        key=feed.key,
        retention_us=feed.retention,
        options={key: value for key, value in plain.items() if key not in _FEED_KEYS},
        payload=tuple(sorted(feed.payload.items())),
        mapping=tuple(_recorded(event) for event in feed.mapping),
        recording=None if feed.recording is None else _recording(feed.recording),
    )


def _recorded(event: RecordedEventSpec) -> RecordedEvent:
    return RecordedEvent(event.kind, event.where, tuple(sorted(event.fields.items())), event.prior)


def _recording(spec: RecordingSpec) -> Recording:
    return Recording(
        spec.files,
        spec.game,
        spec.order,
        spec.starts,
        spec.zone,
        spec.elapsed,
        tuple(_recorded(event) for event in spec.events),
        tuple(
            RecordedTable(one.file, one.key, tuple(sorted(one.columns.items())), one.rate)
            for one in spec.tables
        ),
        Scoring(
            spec.scoring.where,
            spec.scoring.closing.home,
            spec.scoring.closing.total,
            tuple((one.name, one.where) for one in spec.scoring.segments),
        ),
    )


def schedule_of(spec: SportSpec) -> Schedule:
    """Return the season and the weekly windows of a sport."""
    return Schedule(
        spec.schedule.zone,
        spec.schedule.season.first,
        spec.schedule.season.last,
        tuple(window.plain() for window in spec.schedule.windows),
        spec.schedule.game_length,
    )


def _load(spec: SportSpec) -> Load:
    return Load(
        spec.load.peak_rate,
        spec.load.games_at_once,
        spec.load.updates_per_game,
        spec.load.mix.tracking,
        spec.load.mix.market,
        tuple(Phase(one.name, one.when, one.multiplier) for one in spec.load.phases),
    )


def _made_game(spec: SportSpec) -> MadeGame:
    made = spec.made_game
    return MadeGame(
        periods=made.periods,
        period_us=made.period_length,
        plays=made.plays,
        game_us=made.length,
        points=tuple(sorted(made.points.items())),
        draw=made.draw,
        pregame=tuple((name, one.mean, one.sd) for name, one in sorted(made.pregame.items())),
    )

"""Model, markets and sinks: what they need, what they can keep."""

from collections.abc import Callable, Generator, Iterator

from pydantic import ValidationError

from oddspipe.core.errors import PluginError
from oddspipe.core.names import Guarantee, Market
from oddspipe.core.near import near
from oddspipe.core.plan.checks.expressions import Scope
from oddspipe.core.ports.model import OddsModel
from oddspipe.core.ports.registry import installed, load_model, load_sink, sink_guarantee
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.model import ModelSpec, ShadowSpec, SportSpec
from oddspipe.core.spec.odds import MarketSpec
from oddspipe.core.spec.sinks import (
    ClickHouseSink,
    KafkaSink,
    PluginSink,
    RedisSink,
    Sink,
)

_STRENGTH = {guarantee: strength for strength, guarantee in enumerate(Guarantee)}
MIN_TTL_US = 2_000_000
"""Sinks are refreshed at least once a second: a shorter life would flicker."""

LoadModel = Callable[[str], type[OddsModel]]


def kept_by(sink: Sink) -> tuple[Guarantee, str]:
    """Return the strongest guarantee that a sink can keep, and why."""
    match sink:
        case RedisSink():
            if sink.memory <= sink.ttl:
                return (
                    Guarantee.AT_LEAST_ONCE,
                    "its memory of the last odds sequence ends with the odds, so an old price "  # noqa: ISC004
                    "written again after that would be taken for a new one",
                )
            return (
                Guarantee.EFFECTIVELY_ONCE,
                "compare-and-set on the odds sequence, whose memory outlives the odds: an older "  # noqa: ISC004
                "or equal price never overwrites, but a reader may see one state twice",
            )
        case ClickHouseSink():
            return (
                Guarantee.EFFECTIVELY_ONCE,
                "rows carry gap-free numbers; after a crash the sink asks for the last one and "  # noqa: ISC004
                "skips what is there. Insert and position are not one transaction",
            )
        case PluginSink():
            kept = sink_guarantee(load_sink(sink.name))
            return kept, f"the sink {sink.name!r} of its package says so"
        case KafkaSink():
            return (
                Guarantee.EFFECTIVELY_ONCE,
                "a transaction whose outcome is unknown is written again; the gap-free odds "  # noqa: ISC004
                "sequence of a game lets a consumer drop the copy",
            )
        case _:
            return (
                Guarantee.EFFECTIVELY_ONCE,
                "appended with gap-free numbers; after a crash the torn end is cut off and what "  # noqa: ISC004
                "is there is skipped",
            )


def odds_problems(spec: SportSpec, scope: Scope, load: LoadModel = load_model) -> Iterator[Problem]:
    """Yield what model, markets and sinks lack."""
    model = yield from _loaded(("model",), spec.model, scope, load)
    yield from _markets(spec, model)
    if spec.model.shadow is not None:
        shadow = yield from _loaded(("model", "shadow"), spec.model.shadow, scope, load)
        yield from _shadow(spec, spec.model.shadow, shadow)
    for name, sink in spec.sinks.items():
        yield from _sink(("sinks", name), sink, scope)


def _loaded(
    at: Path, named: ModelSpec | ShadowSpec, scope: Scope, load: LoadModel
) -> Generator[Problem, None, type[OddsModel] | None]:
    """Yield what is wrong with a model of the spec; return it if it loads."""
    try:
        model = load(named.name)
    except PluginError as error:
        yield _no_model(at, named, error)
        return None
    yield from _model(at, named, scope, model)
    return model


def _shadow(
    spec: SportSpec, named: ShadowSpec, shadow: type[OddsModel] | None
) -> Iterator[Problem]:
    """Yield what keeps a shadow from being compared with the model that is published."""
    scopes = dict.fromkeys(market.scope for market in spec.odds.markets.values())
    for scope in scopes if shadow is not None else ():
        if shadow is not None and scope not in shadow.scopes:
            yield Problem(
                "model.shadow-scope",
                ("model", "shadow", "name"),
                f"The shadow {named.name!r} does not price scope {scope!r}, of which odds.markets "
                "has a market.",
                "Take another model: both are asked for the same markets.",
            )
    if not any(isinstance(sink, ClickHouseSink) for sink in spec.sinks.values()):
        yield Problem(
            "model.shadow-unrecorded",
            ("model", "shadow"),
            "There is a shadow, but no sink keeps its prices: only its accuracy will be known.",
            "Add a clickhouse sink.",
            severity="warning",
            on_key=True,
        )


def _no_model(at: Path, model: ModelSpec | ShadowSpec, error: PluginError) -> Problem:
    known = installed("models")
    missing = model.name not in known
    return Problem(
        "model.unknown" if missing else "model.broken",
        (*at, "name"),
        f"No installed package gives a model {model.name!r}." if missing else error.message,
        f"{near(model.name, known)} Is the package that brings it installed?"
        if missing
        else error.hint,
    )


def _model(
    at: Path, named: ModelSpec | ShadowSpec, scope: Scope, model: type[OddsModel]
) -> Iterator[Problem]:
    try:
        model.Parameters.model_validate(named.parameters)
    except ValidationError as error:
        names = [one.alias or name for name, one in model.Parameters.model_fields.items()]
        for fault in error.errors(include_url=False, include_input=False):
            where: Path = (*at, "parameters", *fault["loc"])
            yield _parameter(named.name, where, fault["type"], fault["msg"], names)
    known = scope.state | scope.derived
    for name in model.inputs:
        if name not in known:
            yield Problem(
                "model.input",
                (*at, "name"),
                f"The model {named.name!r} reads {name!r}, which the state does not give.",
                f"Add it to state.columns or state.derive. {near(name, known)}",
            )


def _parameter(model: str, at: Path, kind: str, message: str, names: list[str]) -> Problem:
    below = at.index("parameters")
    word = str(at[-1]) if len(at) > below + 1 else ""
    if kind == "extra_forbidden":
        return Problem(
            "model.unknown-parameter",
            at,
            f"The model {model!r} has no parameter {word!r}.",
            near(word, names),
            on_key=True,
        )
    if kind == "missing":
        return Problem(
            "model.missing-parameter",
            at[: below + 1],
            f"The model {model!r} needs the parameter {word!r}.",
            f"Add {word!r} below parameters.",
            on_key=True,
        )
    said = message[:1].lower() + message[1:]
    return Problem("model.parameter", at, f"The parameter {word!r} is refused: {said}.")


def market_of(name: str, market: MarketSpec) -> Market | None:
    """Return what an entry of `odds.markets` prices; None if neither key nor value says it."""
    if market.market is not None:
        return market.market
    return Market(name) if name in list(Market) else None


def _markets(spec: SportSpec, model: type[OddsModel] | None) -> Iterator[Problem]:
    seen: dict[tuple[Market, str], str] = {}
    for name, entry in spec.odds.markets.items():
        at: Path = ("odds", "markets", name)
        market = market_of(name, entry)
        if market is None:
            yield Problem(
                "market.unknown",
                at,
                f"{name!r} is not a market, and the entry does not say which it prices.",
                f"{near(name, [one.value for one in Market])} Or say market: … below it.",
                on_key=True,
            )
        else:
            yield from _lines(at, market, entry)
            if (market, entry.scope) in seen:
                yield Problem(
                    "market.duplicate",
                    at,
                    f"{seen[market, entry.scope]!r} already prices {market.value} of scope "
                    f"{entry.scope!r}.",
                    "Give one of them another scope, or take it away.",
                    on_key=True,
                )
            seen.setdefault((market, entry.scope), name)
        if model is not None and entry.scope not in model.scopes:
            written = "scope" in entry.model_fields_set
            yield Problem(
                "market.scope",
                (*at, "scope") if written else at,
                f"The model {spec.model.name!r} does not price scope {entry.scope!r}.",
                near(entry.scope, model.scopes),
                on_key=not written,
            )
        if entry.price is not None and entry.price.floor >= entry.price.cap:
            yield _bounds((*at, "price"), entry.price.floor, entry.price.cap)
    if spec.odds.price.floor >= spec.odds.price.cap:
        yield _bounds(("odds", "price"), spec.odds.price.floor, spec.odds.price.cap)


def _bounds(at: Path, floor: float, cap: float) -> Problem:
    return Problem(
        "price.bounds",
        (*at, "floor"),
        f"The lowest price ({floor}) is not below the highest ({cap}).",
        "No price would be left to offer.",
    )


def _lines(at: Path, market: Market, entry: MarketSpec) -> Iterator[Problem]:
    if market is Market.MONEYLINE:
        for key in ("step", "alternates", "line", "whole"):
            if key in entry.model_fields_set:
                yield Problem(
                    "market.lines",
                    (*at, key),
                    f"A moneyline has no line, so {key!r} has no place in it.",
                    f"Take {key!r} away, or price a spread.",
                    on_key=True,
                )
        return
    if entry.line is None:
        return
    step = entry.step or 0.5
    if (entry.line / step) % 1:
        yield Problem(
            "market.line-step",
            (*at, "line"),
            f"The line {entry.line} is not a multiple of the step {step}.",
            "Lines lie on the grid of the step.",
        )
    elif not entry.whole and entry.line % 1 == 0:
        yield Problem(
            "market.line-whole",
            (*at, "line"),
            f"The line {entry.line} is whole, but whole lines are not offered.",
            "Take whole: false away, or choose a half line.",
        )
    if market is not Market.SPREAD and entry.line < 0:
        yield Problem(
            "market.line-sign",
            (*at, "line"),
            f"A total of {entry.line} points cannot be.",
            "Totals are zero or more.",
        )


def _plugin(at: Path, sink: PluginSink) -> Iterator[Problem]:
    """Yield what is wrong with a sink of a package, which is loaded here."""
    try:
        made = load_sink(sink.name)
    except PluginError as error:
        known = installed("sinks")
        missing = sink.name not in known
        yield Problem(
            "sink.unknown" if missing else "sink.broken",
            (*at, "name"),
            f"No installed package gives a sink {sink.name!r}." if missing else error.message,
            f"{near(sink.name, known)} Is the package that brings it installed?"
            if missing
            else error.hint,
        )
        return
    try:
        made.Parameters.model_validate(sink.parameters)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            word = ".".join(map(str, fault["loc"]))
            yield Problem(
                "sink.parameter",
                (*at, "parameters", *fault["loc"]),
                f"The sink {sink.name!r} refuses its parameter {word!r}: {fault['msg']}.",
                near(word, made.Parameters.model_fields),
                on_key=fault["type"] == "extra_forbidden",
            )


def _sink(at: Path, sink: Sink, scope: Scope) -> Iterator[Problem]:
    if isinstance(sink, PluginSink):
        wrong = list(_plugin(at, sink))
        yield from wrong
        if wrong:
            return
    keeps, why = kept_by(sink)
    if _STRENGTH[sink.guarantee] > _STRENGTH[keeps]:
        yield Problem(
            "sink.guarantee",
            (*at, "guarantee"),
            f"A {sink.kind} sink cannot keep {sink.guarantee.value}: {why}.",
            f"Claim {keeps.value}.",
        )
    if isinstance(sink, RedisSink) and sink.ttl < MIN_TTL_US:
        yield Problem(
            "sink.ttl",
            (*at, "ttl"),
            "Odds are refreshed once a second; with so short a life they would flicker.",
            "Make it 2s or more; 5s to 10s is usual.",
        )
    if isinstance(sink, ClickHouseSink):
        for kind in sink.store:
            if kind not in scope.kinds and kind not in {"play", "tracking", "market"}:
                yield Problem(
                    "kind.unknown",
                    (*at, "store", kind),
                    f"This sport has no events of kind {kind!r}.",
                    near(kind, scope.kinds),
                    on_key=True,
                )

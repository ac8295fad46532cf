"""What a spec may name: models, sources, sinks; sports, and the rules and guards of each.

Everything is read off the classes themselves. A plug-in that does not load is told with what is
wrong with it, and two packages that claim a name are told as a clash: neither hides the others.
"""

import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, version
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from oddspipe.core.errors import OddspipeError, PluginError
from oddspipe.core.names import Kind, Policy
from oddspipe.core.parts import KindPlan
from oddspipe.core.plan.checks.odds import kept_by
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.sports import FOLDER, find_spec
from oddspipe.core.plan.sports import sports as known_sports
from oddspipe.core.ports.registry import (
    Group,
    entries,
    installed,
    load,
    load_model,
    load_sink,
    sink_guarantee,
)
from oddspipe.core.spec.feed import Feed, FeedSpec
from oddspipe.core.spec.loader import load as load_yaml
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.sinks import PluginSink, Sink
from oddspipe.core.spec.typed import typed

OURS: Final = "oddspipe-framework"
BUILT_IN_GUARDS: Final = {
    "impossible_price": "A probability is not in [0, 1], two sides do not add up to 1, "
    "or a line is missing.",
    "line_below_score": "The line of a total lies below the points that are scored already.",
    "open_after_end": "A price comes for a market that is settled or closed.",
    "frozen_feed": "The game stands still for `odds.frozen_after` while its feed gives signs of "
    "life.",
}
"""Guards that every sport has, and when they fire; see `stages/guard.py`."""
POLICY_OF_GUARD: Final = {
    Policy.SUSPEND: "The market is suspended.",
    Policy.DEAD_LETTER: "The market is suspended, the event behind it becomes a dead letter "
    "(GUARD).",
    Policy.ALERT: "It is only counted.",
}
POLICY_OF_RULE: Final = {
    Policy.SUSPEND: "An event that fails suspends the game's markets until the next event that is "
    "priced at once.",
    Policy.ALERT: "An event that fails is only counted.",
}

_DURATION: Final = re.compile(r"\(us\|ms\|s\|m\|h\|d\)")
_SIZE: Final = re.compile(r"KiB\|MiB")
_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "array": "list",
    "object": "mapping",
}
_NAMED: Final = frozenset({"kind", "protocol", "guarantee"})
"""Keys that say which part it is, and so are no parameters."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a spec may set of a part.

    Attributes:
        type: As a person writes it: number, text, duration, list, or the words that it may be.
        default: As a person writes it; empty where there is none, and `needed` where it must be.
        bounds: `0 to 40`, `above 0`; empty where there are none.
        unit: Unit of a number.
    """

    name: str
    type: str
    default: str
    bounds: str
    unit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A model, source or sink that a spec may name.

    Attributes:
        package, version: The distribution that it comes from.
        place: Module and class.
        own_version: Version that a model gives itself, kept in the plan.
        does: First sentence of its docstring.
        facts: What else there is to know, by its word: scopes, inputs, what it keeps.
        fault: What is wrong with it; empty where nothing is.
    """

    name: str
    package: str
    version: str
    place: str
    own_version: str = ""
    does: str = ""
    facts: dict[str, list[str]] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ListedRule:
    """A rule or guard of a sport.

    Attributes:
        kind: `row` (one event by itself), `temporal` (against the state before it), `guard`, or
            `built-in guard`.
        on: Kinds of events that it is for; empty for all.
        sql: The condition; empty for what is built in.
        does: What follows from it.
    """

    sport: str
    name: str
    kind: str
    on: tuple[str, ...]
    sql: str
    does: str


def sports() -> list[Listed]:
    """Return every sport that a command may name, by name."""
    return [_sport(name) for name in known_sports()]


def _sport(name: str) -> Listed:
    here = FOLDER / f"{name}.yaml"
    if here.is_file():
        listed = Listed(name, "(this folder)", "", str(here))
    else:
        claims = list(dict(_claims("sports"))[name])
        listed = Listed(name, *_package(claims[0]), claims[0].value)
    try:
        path = find_spec(name)
        found = typed(load_yaml(path).plain(), SportSpec)
    except OddspipeError as error:
        return _faulty(listed, f"{error.message}. {error.hint}")
    if found.spec is None:
        return _faulty(listed, f"it has faults; `oddspipe validate {path}` lists them")
    if found.spec.sport != name:
        return _faulty(
            listed, f"it is found as {name}, but its file says sport: {found.spec.sport}"
        )
    file = {} if here.is_file() else {"file": [str(path)]}
    facts = {**file, "model": [found.spec.model.name]}
    return replace(listed, does=f"{found.spec.title}.", facts=facts)


def models() -> list[Listed]:
    """Return every installed model, by name."""
    return [_plugin("models", name, claims) for name, claims in _claims("models")]


def sources() -> list[Listed]:
    """Return the feeds that are built in, then those of other packages."""
    built_in = [_built_in(part, "protocol", {}) for part in _parts(Feed)]
    return built_in + [_plugin("sources", name, claims) for name, claims in _claims("sources")]


def sinks() -> list[Listed]:
    """Return the sinks that are built in, then those of other packages."""
    built_in = []
    for part in _parts(Sink):
        if part is PluginSink:  # stands for those of packages, which follow
            continue
        keeps, why = kept_by(part.model_construct())  # type: ignore[arg-type]  # one of the sinks
        built_in.append(_built_in(part, "kind", {"keeps": [f"{keeps.value}: {why}"]}))
    return built_in + [_plugin("sinks", name, claims) for name, claims in _claims("sinks")]


def rules(plan: Plan) -> list[ListedRule]:
    """Return the rules of a sport, its guards, and the guards that are always on."""
    found = [
        ListedRule(
            plan.sport,
            rule.name,
            "temporal" if rule.temporal else "row",
            kind_names(plan.kinds, rule.on),
            rule.sql,
            POLICY_OF_RULE.get(rule.policy)
            or "An event that fails becomes a dead letter "
            + ("in price (TEMPORAL_RULE)." if rule.temporal else "in normalise (RULE)."),
        )
        for rule in plan.rules
    ]
    found += [
        ListedRule(
            plan.sport,
            guard.name,
            "guard",
            (),
            guard.sql,
            f"Where it is true: {POLICY_OF_GUARD[guard.policy]}",
        )
        for guard in plan.odds.guards
    ]
    policies = dict(plan.odds.policies)
    return found + [
        ListedRule(
            plan.sport,
            name,
            "built-in guard",
            (),
            "",
            f"{when} {POLICY_OF_GUARD[policies.get(name, Policy.SUSPEND)]}",
        )
        for name, when in BUILT_IN_GUARDS.items()
    ]


def kind_names(kinds: tuple[KindPlan, ...], numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of kinds by their numbers."""
    names = {int(kind): kind.name.lower() for kind in Kind} | {k.number: k.name for k in kinds}
    return tuple(names[number] for number in numbers)


def _parts(union: object) -> tuple[type[BaseModel], ...]:
    parts: tuple[type[BaseModel], ...] = get_args(get_args(union)[0])
    return parts


def _built_in(part: type[BaseModel], key: str, facts: Mapping[str, list[str]]) -> Listed:
    own = set(part.model_fields) - set(FeedSpec.model_fields) - _NAMED
    return Listed(
        name=get_args(part.model_fields[key].annotation)[0],
        package=OURS,
        version=version(OURS),
        place=f"{part.__module__}:{part.__qualname__}",
        does=_sentence(part),
        facts={word: said for word, said in facts.items() if said},
        parameters=[one for one in _parameters(part) if one.name in own],
    )


def _claims(group: Group) -> Iterator[tuple[str, list[EntryPoint]]]:
    found: dict[str, dict[tuple[str, str], EntryPoint]] = defaultdict(dict)
    for one in entries(group):
        found[one.name][one.value, _package(one)[0]] = one
    for name in sorted(found):
        yield name, list(found[name].values())


def _plugin(group: Group, name: str, claims: list[EntryPoint]) -> Listed:
    package, number = _package(claims[0])
    listed = Listed(name, package, number, claims[0].value)
    if len(claims) > 1:
        said = ", ".join(sorted(f"{' '.join(_package(one))} ({one.value})" for one in claims))
        return _faulty(listed, f"clash: claimed by {said}; uninstall all but one", several=True)
    if name not in installed(group):
        return _faulty(listed, "no spec can name it: lower case letters, digits, underscores only")
    try:
        return _LISTED.get(group, _other)(listed)
    except PluginError as error:
        return _faulty(listed, f"{error.message}. {error.hint}")
    except SystemExit as error:
        return _faulty(listed, f"its import ends the program (exit {error.code})")


def _faulty(listed: Listed, fault: str, *, several: bool = False) -> Listed:
    if several:
        return Listed(listed.name, "(several)", "", "", fault=fault)
    return Listed(listed.name, listed.package, listed.version, listed.place, fault=fault)


def _model(listed: Listed) -> Listed:
    model = load_model(listed.name)
    try:
        parameters = list(_parameters(model.Parameters))
    except (AttributeError, PydanticUserError) as error:
        return _faulty(listed, f"its Parameters are no pydantic model: {error}")
    return Listed(
        listed.name,
        listed.package,
        listed.version,
        listed.place,
        own_version=str(model.version),
        does=_sentence(model),
        facts={"scopes": list(model.scopes), "inputs": list(model.inputs)},
        parameters=parameters,
    )


def _sink(listed: Listed) -> Listed:
    sink = load_sink(listed.name)
    try:
        parameters = list(_parameters(sink.Parameters))
    except (AttributeError, PydanticUserError) as error:
        return _faulty(listed, f"its Parameters are no pydantic model: {error}")
    return replace(
        listed,
        does=_sentence(sink),
        facts={"keeps": [sink_guarantee(sink).value]},
        parameters=parameters,
    )


def _other(listed: Listed) -> Listed:
    return replace(listed, does=_sentence(load("sources", listed.name)))


_LISTED: Final[Mapping[str, Callable[[Listed], Listed]]] = {"models": _model, "sinks": _sink}


def _package(one: EntryPoint) -> tuple[str, str]:
    return (one.dist.name, one.dist.version) if one.dist else ("(no distribution)", "")


def _sentence(thing: object) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].split())


def _parameters(part: type[BaseModel]) -> Iterator[Parameter]:
    schema = part.model_json_schema()
    needed = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        yield Parameter(
            name,
            _type(one, schema.get("$defs", {})),
            "needed" if name in needed else _default(one),
            _bounds(one),
            str(one.get("unit", "")),
            str(one.get("description", "")),
        )


def _type(one: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    match one:
        case {"$ref": str(place)}:
            return _type(known[place.rpartition("/")[2]], known)
        case {"anyOf": list(ways)}:
            return " or ".join(
                dict.fromkeys(_type(way, known) for way in ways if way.get("type") != "null")
            )
        case {"enum": list(words)}:
            return " | ".join(map(str, words))
        case _:
            return _plain_type(one)


def _plain_type(one: Mapping[str, Any]) -> str:
    if _DURATION.search(one.get("pattern", "")):
        return "duration"
    if _SIZE.search(one.get("pattern", "")):
        return "size"
    if "secret" in one.get("properties", {}):
        return "secret"
    word = str(one.get("type", one.get("const", "any")))
    return _WORDS.get(word, word)


def _default(one: Mapping[str, Any]) -> str:
    value = one.get("default")
    if value in (None, {}, []):
        return ""
    if _DURATION.search(one.get("pattern", "")) and isinstance(value, int):
        return duration_text(value)
    if _SIZE.search(one.get("pattern", "")) and isinstance(value, int):
        return size_text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def size_text(count: float) -> str:
    """Return an amount of bytes in the largest unit that leaves a number of at least 1.

    >>> size_text(96 << 20), size_text(1536), size_text(12)
    ('96 MiB', '1.5 KiB', '12 B')
    """
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count:.0f} B"


def _bounds(one: Mapping[str, Any]) -> str:
    low, high = one.get("minimum"), one.get("maximum")
    above, below = one.get("exclusiveMinimum"), one.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    words = [
        f"{word} {value:g}"
        for word, value in (("from", low), ("above", above), ("up to", high), ("below", below))
        if value is not None
    ]
    return ", ".join(words)

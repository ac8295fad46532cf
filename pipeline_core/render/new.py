"""What `oddspipe new` makes: the files of a small package of one's own."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from oddspipe import __version__
from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.plan.sports import sports
from oddspipe.core.ports.registry import Group, installed, origin
from oddspipe.core.render.templates import rendered

Scoring = Literal["low", "high"]
PluginKind = Literal["model", "source", "sink"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_BUILT_IN: Final = {
    "sources": frozenset({"replay", "simulator", "kafka", "websocket", "pubsub"}),
    "sinks": frozenset({"redis", "clickhouse", "kafka", "partner_log", "dead_letters"}),
}
"""Names that a source or sink of a package would be hidden behind."""


@dataclass(frozen=True, slots=True)
class Made:
    """One file of a new package.

    Attributes:
        path: Where it lies below the package's folder.
        text: All of it.
        holds: What it is for, in a few words.
    """

    path: str
    text: str
    holds: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a game of a new sport is like.

    Attributes:
        scoring: `low`: few goals, counted one by one; `high`: so many points that sums are normal.
        periods: Halves, quarters or thirds of regulation time.
        minutes: Game clock of one of them.
        total: Points of both sides in an average game.
        ties: Whether a level game stands.
    """

    scoring: Scoring
    periods: int
    minutes: int
    total: float
    ties: bool


def sport_package(name: str, shape: Shape) -> list[Made]:
    """Return the files of a package that brings a sport: spec, model, tests.

    Raises:
        UsageError: The name cannot be one, or is taken.
    """
    check_name(name, "sport")
    if name in sports():
        raise UsageError(
            f"there is a sport {name!r} already", hint="`oddspipe list sports` says where."
        )
    _refuse_taken("models", name)
    values = {**_names(name), **_numbers(shape)}
    package = values["package"]
    source = f"src/{package}"
    return [
        _made("pyproject.toml", "sport/pyproject.toml.j2", "names under which it is found", values),
        _made(f"{source}/{name}.yaml", "sport/sport.yaml.j2", "the sport", values),
        _made(f"{source}/model.py", f"sport/model_{shape.scoring}.py.j2", "its odds model", values),
        _made(f"{source}/__init__.py", "sport/init.py.j2", "", values),
        Made(f"{source}/py.typed", "", ""),
        _made("tests/test_model.py", "sport/test_model.py.j2", "what the model must keep", values),
        _made("README.md", "sport/README.md.j2", "what to change, in which order", values),
    ]


def plugin_package(name: str, kind: PluginKind) -> list[Made]:
    """Return the files of a package that brings one plug-in: the class and its tests.

    Raises:
        UsageError: The name cannot be one, or is taken.
    """
    check_name(name, kind)
    group: Group = f"{kind}s"  # type: ignore[assignment]  # one of the three
    _refuse_taken(group, name)
    short = name.removesuffix(f"_{kind}")  # my_sink becomes MySink, not MySinkSink
    values = {**_names(name), "class_name": _class_name(short), "kind": kind, "group": group}
    source = f"src/{values['package']}"
    return [
        _made("pyproject.toml", "plugin/pyproject.toml.j2", "name under which it is found", values),
        _made(f"{source}/{kind}.py", f"plugin/{kind}.py.j2", f"the {kind}", values),
        _made(f"{source}/__init__.py", "plugin/init.py.j2", "", values),
        Made(f"{source}/py.typed", "", ""),
        _made(f"tests/test_{kind}.py", f"plugin/test_{kind}.py.j2", "what it must keep", values),
        _made("README.md", "plugin/README.md.j2", "how a spec names it", values),
    ]


def check_name(name: str, what: str) -> None:
    """Refuse what cannot be a name.

    Raises:
        UsageError: It says what can.
    """
    if _NAME.fullmatch(name):
        return
    near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:32].rstrip("_")
    raise UsageError(
        f"{name!r} cannot be the name of a {what}",
        hint="Lower case letters, digits and underscores, a letter first, at most 32"
        + (f": {near}" if _NAME.fullmatch(near) else "."),
    )


def distribution(name: str) -> str:
    """Return the name of the distribution, which is that of its folder too."""
    return f"oddspipe-{name.replace('_', '-')}"


def write(folder: Path, files: list[Made]) -> None:
    """Write a package into a folder that is not there or empty.

    Raises:
        UsageError: There is something already.
        RunError: It cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="Name another folder with --dir.")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="Name another folder with --dir.")
    try:
        for one in files:
            path = folder / one.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one.text, encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{folder} cannot be written: {error.strerror or error}",
            hint="Remove what is there of it, or name another folder with --dir.",
        ) from error


def _refuse_taken(group: Group, name: str) -> None:
    what = group.removesuffix("s")
    if name in _BUILT_IN.get(group, ()):
        raise UsageError(f"there is a {what} {name!r} already; it is built in")
    if name in installed(group):
        raise UsageError(
            f"there is a {what} {name!r} already, of {origin(group, name)}",
            hint=f"Choose another name; `oddspipe list {group}` lists them.",
        )


def _names(name: str) -> dict[str, str]:
    return {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "class_name": _class_name(name),
        "package": f"oddspipe_{name}",
        "distribution": distribution(name),
        "dashed": name.replace("_", "-"),
        "oddspipe_version": __version__,
    }


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _numbers(shape: Shape) -> dict[str, Any]:
    """Return the numbers of a spec: those that were given, and first guesses made of them."""
    low, total = shape.scoring == "low", shape.total
    regulation = shape.periods * shape.minutes
    root = total**0.5
    plays = 100 if low else max(150, round(2 * total))
    return {
        "low": low,
        "periods": shape.periods,
        "minutes": shape.minutes,
        "period_s": shape.minutes * 60,
        "period_ms": shape.minutes * 60_000,
        "regulation_s": regulation * 60,
        # The wall clock of a game runs about twice as long as its own.
        "game_minutes": regulation * 2,
        "ties": shape.ties,
        "unit": "goals" if low else "points",
        "total": total,
        "home_edge": round(0.1 * root, 1),
        # Points that come one by one are about Poisson: the deviation is the root of the mean.
        "margin_sd": round(0.9 * root, 1),
        "total_sd": round(1.1 * root, 1),
        "unknown_sd": round(0.4 * root, 1),
        "spread_sd": round(0.3 * root, 1),
        "line_sd": round(0.2 * root, 1),
        "most_spread": round(total) + 10,
        "most_total": round(3 * total) + 10,
        "most_points": round(3 * total) + 50,
        "most_further": round(2 * total) + 20,
        "alternates": 1 if low else 3,
        "plays": plays,
        "score_share": round(50 * total / plays, 2),
    }


def _made(path: str, template: str, holds: str, values: dict[str, Any]) -> Made:
    return Made(path, rendered(template, values), holds)

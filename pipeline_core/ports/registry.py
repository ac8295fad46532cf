"""Plug-ins by name, through entry points; nothing is loaded that nobody names."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, cast

from oddspipe.core.errors import PluginError, UsageError
from oddspipe.core.names import Guarantee

if TYPE_CHECKING:  # they load NumPy
    from oddspipe.core.ports.fitting import Fitting, Rater
    from oddspipe.core.ports.model import OddsModel
    from oddspipe.core.ports.sink import SinkPlugin

Group = Literal["models", "sources", "sinks", "sports"]
"""What packages may bring: plug-ins of three kinds, and the spec files of sports."""


_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HOW_TO = "docs/how-to/write-a-model.md"
_MODEL_MEMBERS = ("version", "scopes", "inputs", "Parameters", "price")
_FITTING_MEMBERS = (
    "columns", "least_games", "credit", "ready", "fit", "model", "states", "ends", "shipped",
)  # fmt: skip
_SINK_MEMBERS = ("keeps", "Parameters", "open", "write", "refresh", "close")


def installed(group: Group) -> tuple[str, ...]:
    """Return the names of the installed plug-ins of a group, sorted; loads none of them.

    Names that are not `[a-z][a-z0-9_]*` are left out: no spec can name them.
    """
    return tuple(sorted({one.name for one in entries(group) if _NAME.fullmatch(one.name)}))


def origin(group: Group, name: str) -> str:
    """Return which distribution gives a plug-in, e.g. `oddspipe-framework 0.1.0`.

    Raises:
        PluginError: It is not installed, or two distributions claim the name.
    """
    found = _find(group, name)
    return f"{found.dist.name} {found.dist.version}" if found.dist else "(no distribution)"


def reference(group: Group, name: str) -> str:
    """Return what an entry point says, e.g. `oddspipe.sports:nfl.yaml`; loads nothing.

    Raises:
        PluginError: It is not installed, or two distributions claim the name.
    """
    return _find(group, name).value


def load(group: Group, name: str) -> Any:  # noqa: ANN401 - what a plug-in is, only its group says
    """Load one plug-in.

    Raises:
        PluginError: It is not installed, two packages claim the name, or its import fails.
    """
    found = _find(group, name)
    try:
        return found.load()
    except Exception as error:  # a guest's import may raise anything
        raise PluginError(
            f"plug-in {name!r} ({found.value}) does not load: {type(error).__name__}: {error}",
            hint=f"It comes from {_dist(found)}; mend or reinstall that package.",
        ) from error


def load_model(name: str) -> "type[OddsModel]":
    """Load an odds model and see that it has what a model must have.

    Raises:
        PluginError: As `load`; or it lacks a member of the protocol.
    """
    return cast("type[OddsModel]", _complete("model", name, _MODEL_MEMBERS))


def load_fitting(name: str) -> "Fitting":
    """Return what fits a model to recorded seasons.

    Raises:
        UsageError: The model offers nothing of the kind.
        PluginError: As `load_model`; or what it offers lacks a member of the protocol.
    """
    offer = getattr(load_model(name), "fitting", None)
    if offer is None:
        raise UsageError(
            f"model {name!r} cannot be fitted: it offers no fit", hint=f"See {_HOW_TO}."
        )
    try:
        made = offer()
    except Exception as error:  # a guest's import may raise anything
        raise PluginError(
            f"the fit of model {name!r} does not load: {type(error).__name__}: {error}",
            hint="Mend its fitting(), or install what it imports.",
        ) from error
    if missing := [member for member in _FITTING_MEMBERS if not hasattr(made, member)]:
        raise PluginError(
            f"the fit of model {name!r} lacks {', '.join(missing)}", hint=f"See {_HOW_TO}."
        )
    return cast("Fitting", made)


def load_rater(name: str) -> "type[Rater]":
    """Return a model that rates games by those finished before.

    Raises:
        UsageError: The model rates nothing.
        PluginError: As `load_model`; or it gives its ratings no version.
    """
    model = load_model(name)
    if not hasattr(model, "rate"):
        raise UsageError(
            f"model {name!r} has no ratings: it offers no rate",
            hint=f"Nothing needs to be made for it; {_HOW_TO} says how a model rates.",
        )
    if not isinstance(getattr(model, "rate_version", None), str):
        raise PluginError(
            f"model {name!r} does not say which version its ratings are",
            hint='Its class says rate_version = "1", raised when the ratings change.',
        )
    return cast("type[Rater]", model)


def load_sink(name: str) -> "type[SinkPlugin]":
    """Load a sink and see that it has what a sink must have.

    Raises:
        PluginError: As `load`; or it lacks a member of the protocol.
    """
    sink = _complete("sink", name, _SINK_MEMBERS)
    if not isinstance(sink.keeps, Guarantee):
        raise PluginError(
            f"sink {name!r} does not say what it keeps",
            hint="Its class says keeps = Guarantee.EFFECTIVELY_ONCE, or what it can.",
        )
    return cast("type[SinkPlugin]", sink)


def sink_guarantee(sink: "type[SinkPlugin]") -> Guarantee:
    """Return what a sink of a package says that it keeps."""
    return cast("Guarantee", sink.keeps)


def _complete(what: Literal["model", "sink"], name: str, members: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Load a class and refuse one that lacks a member."""
    found = load("models" if what == "model" else "sinks", name)
    missing = [member for member in members if not hasattr(found, member)]
    if missing or not isinstance(found, type):
        lacks = f"lacks {', '.join(missing)}" if missing else "is not a class"
        raise PluginError(
            f"{what} {name!r} {lacks}", hint=f"A {what} is a class with {', '.join(members)}."
        )
    return found


def _find(group: Group, name: str) -> EntryPoint:
    if not _NAME.fullmatch(name):
        raise PluginError(
            f"{name!r} cannot be the name of a plug-in",
            hint="Lower case letters, digits and underscores, a letter first, at most 64.",
        )
    claims = {(one.value, _dist(one)): one for one in entries(group) if one.name == name}
    if not claims:
        names = installed(group)
        close = difflib.get_close_matches(name, names, n=1)
        near = f"Did you mean {close[0]!r}? " if close else ""
        listing = ", ".join(names) or "none"
        raise PluginError(
            f"no installed package gives {name!r} in group oddspipe.{group}",
            hint=f"{near}Installed: {listing}.",
        )
    if len(claims) > 1:
        packages = ", ".join(sorted(f"{dist} ({value})" for value, dist in claims))
        raise PluginError(
            f"several packages claim the name {name!r} of group oddspipe.{group}: {packages}",
            hint="Uninstall all but one of them.",
        )
    return next(iter(claims.values()))


def _dist(one: EntryPoint) -> str:
    return one.dist.name if one.dist else "(no distribution)"


@cache
def entries(group: Group) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group; a name may be claimed several times."""
    found: Iterable[EntryPoint] = entry_points(group=f"oddspipe.{group}")
    return tuple(found)

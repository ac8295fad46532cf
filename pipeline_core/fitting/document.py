"""Documents of parameters: their text, what was read of one, and where two differ."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddspipe.core.errors import PluginError, UsageError

MEMBERS = ("provenance", "parameters")


def text_of(document: Mapping[str, Any]) -> str:
    """Return a document as JSON: the same bytes for the same values, a list of numbers a line.

    Raises:
        PluginError: A parameter is no finite number, text, list or object.

    >>> print(text_of({"parameters": {"knots": [0.0, 1.5], "keys": {}, "on": True}}), end="")
    {
     "parameters": {
      "knots": [0.0, 1.5],
      "keys": {},
      "on": true
     }
    }
    """
    return "".join(_lines(document, "", 0)) + "\n"


def _lines(value: Any, path: str, depth: int) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    nested = isinstance(value, Mapping) or (
        isinstance(value, list | tuple)
        and any(isinstance(one, list | tuple | Mapping) for one in value)
    )
    if not nested or not value:
        yield _flat(value, path)
        return
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    yield opening
    for at, (name, one) in enumerate(pairs):
        key = f"{json.dumps(name)}: " if isinstance(value, Mapping) else ""
        yield f"{',' if at else ''}\n{' ' * (depth + 1)}{key}"
        yield from _lines(one, f"{path}.{name}" if key else f"{path}[{name}]", depth + 1)
    yield f"\n{' ' * depth}{closing}"


def _flat(value: Any, path: str) -> str:  # noqa: ANN401 - any JSON value
    try:
        return json.dumps(dict(value) if isinstance(value, Mapping) else value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"{path[1:]} cannot be kept as JSON: {error}",
            hint="A fit gives finite numbers, text, lists and objects; round them, too.",
        ) from error


def read_document(file: Path) -> Mapping[str, Any]:
    """Read a document of parameters.

    Raises:
        UsageError: It cannot be read, or is none.
    """
    hint = "Name a file that `oddspipe model fit` wrote."
    try:
        made = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}", hint=hint) from error
    except ValueError as error:
        raise UsageError(f"{file}: is no JSON: {error}", hint=hint) from error
    if not isinstance(made, dict) or any(not isinstance(made.get(m), dict) for m in MEMBERS):
        raise UsageError(f"{file}: has no {' and '.join(MEMBERS)}", hint=hint)
    return made


@dataclass(frozen=True, slots=True)
class Difference:
    """A parameter that is not the same in two documents; None where it is absent."""

    path: str
    kept: Any
    now: Any

    def told(self) -> str:
        """Return it in words.

        >>> Difference("win.terms.lead[2]", 0.86, 0.88).told()
        'win.terms.lead[2]: 0.86 kept, 0.88 now (+0.02)'
        """
        shown = [
            "absent" if one is None else one if isinstance(one, str) else json.dumps(one)
            for one in (self.kept, self.now)
        ]
        both = (self.kept, self.now)
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in both)
        by = f" ({self.now - self.kept:+.6g})" if numbers else ""
        return f"{self.path}: {shown[0]} kept, {shown[1]} now{by}"


def differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Return which parameters differ, in the order in which they stand."""
    before, after = dict(_leaves(kept, "")), dict(_leaves(now, ""))
    return [
        Difference(path, before.get(path), after.get(path))
        for path in dict.fromkeys([*before, *after])
        if before.get(path) != after.get(path)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _leaves(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _leaves(one, f"{path}[{at}]")
    else:
        yield path, value

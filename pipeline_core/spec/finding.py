"""Errors of typing, each with its place in the tree instead of in the types."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from oddspipe.core.problem import Path

MISSING: Any = object()
"""Stands for a value that is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One error of pydantic's, with its place in the tree instead of in the types."""

    kind: str
    path: Path
    value: Any
    context: dict[str, Any]
    on_key: bool = False

    @classmethod
    def of(cls, error: ErrorDetails, tree: Any) -> "Finding":  # noqa: ANN401 - plain values
        """Return the finding that an error is in a tree."""
        path, on_key = _place_in(error["loc"], tree, missing=error["type"] == "missing")
        context = dict(error.get("ctx", {}))
        value = value_at(tree, path)
        if error["type"] == "union_tag_not_found" and isinstance(value, dict):
            tag = context["discriminator"].strip("'")
            meant = difflib.get_close_matches(tag, map(str, value), n=1, cutoff=0.7)
            if meant:  # the key that tells several kinds apart is misspelt
                return cls("extra_forbidden", (*path, meant[0]), value[meant[0]], {})
        return cls(error["type"], path, value, context, on_key)


def _place_in(loc: Sequence[str | int], tree: Any, *, missing: bool) -> tuple[Path, bool]:  # noqa: ANN401
    """Take the names of types and unions out of a place, so that it is one in the tree."""
    path: list[str | int] = []
    value = tree
    for at, step in enumerate(loc):
        if step == "[key]":
            return tuple(path), True
        below = child_of(value, step)
        if below is not MISSING:
            path.append(step)
            value = below
        elif missing and at == len(loc) - 1:
            path.append(step)
    return tuple(path), False


def child_of(value: Any, step: str | int) -> Any:  # noqa: ANN401 - plain values of any kind
    """Return what is under a key or at an index; `MISSING` where nothing is."""
    if isinstance(value, dict):
        return value.get(step, MISSING)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return MISSING


def value_at(tree: Any, path: Path) -> Any:  # noqa: ANN401 - plain values of any kind
    """Return the value at a place; None where nothing is."""
    for step in path:
        tree = child_of(tree, step)
        if tree is MISSING:
            return None
    return tree

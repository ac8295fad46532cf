"""What a new rendering changes, in words and as a diff."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from oddspipe.core.infra.tree import Tree

MOST: Final = 8
"""Changes of one file that are told in words; more are counted."""
LOUD: Final = frozenset({"text", "rules", "expr"})
"""Keys whose values are told as changed, without their text."""
_GONE: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one file.

    Attributes:
        path: The file.
        what: new, removed or changed.
        words: What is different, one line each; empty for text.
        unified: The lines of a unified diff.
    """

    path: str
    what: str
    words: tuple[str, ...]
    unified: tuple[str, ...]


def changes(tree: Tree, folder: Path) -> list[Change]:
    """Return what would be different after `tree` is written to `folder`."""
    drift = tree.drift(folder)
    texts = tree.texts()
    found = []
    for path in sorted({*drift.missing, *drift.changed, *drift.edited}):
        file = folder / path
        before = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
        words = tuple(_words(path, before, texts[path])) if before else ()
        what = "changed" if before else "new"
        found.append(Change(path, what, words, _unified(path, before, texts[path])))
    for path in drift.stale:
        before = (folder / path).read_text(encoding="utf-8", errors="replace")
        found.append(Change(path, "removed", (), _unified(path, before, "")))
    return found


def _unified(path: str, before: str, after: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm=""
    )
    return tuple(lines)


def _words(path: str, before: str, after: str) -> Iterator[str]:
    """Yield what is different in data, by its place; nothing for text."""
    old, new = _data(path, before), _data(path, after)
    if old is None or new is None:
        return
    found = list(_differences(old, new, ""))
    yield from found[:MOST]
    if len(found) > MOST:
        yield f"and {len(found) - MOST} more"


def _data(path: str, text: str) -> Any:  # noqa: ANN401 - data of any kind
    try:
        if path.endswith((".yaml", ".yml")):
            return list(yaml.safe_load_all(text))
        if path.endswith(".json"):
            return json.loads(text)
    except (yaml.YAMLError, ValueError):
        return None
    return None


def _differences(old: Any, new: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - as above
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            below = f"{at}.{key}" if at else str(key)
            if old.get(key, _GONE) != new.get(key, _GONE):
                yield from _differences(old.get(key, _GONE), new.get(key, _GONE), below)
    elif isinstance(old, list) and isinstance(new, list):
        mine, theirs = _by_name(old), _by_name(new)
        yield from (
            _differences(mine, theirs, at)
            if mine is not None and theirs is not None
            else (_by_place(old, new, at))
        )
    else:
        yield f"{at}: {_told(old, at)} → {_told(new, at)}"


def _by_place(old: list[Any], new: list[Any], at: str) -> Iterator[str]:
    for place in range(max(len(old), len(new))):
        mine = old[place] if place < len(old) else _GONE
        theirs = new[place] if place < len(new) else _GONE
        if mine != theirs:
            # Documents of a file are told by what they hold, not by their number.
            below = f"{at}[{place}]" if at or len(new) > 1 else at
            yield from _differences(mine, theirs, below)


def _by_name(entries: list[Any]) -> dict[str, Any] | None:
    """Return entries by what names them; None where they have no names, or the same."""
    names = [one.get("alert") or one.get("name") for one in entries if isinstance(one, dict)]
    if len(names) != len(entries) or None in names or len(set(names)) != len(names):
        return None
    return {str(name): one for name, one in zip(names, entries, strict=True)}


def _told(value: Any, at: str) -> str:  # noqa: ANN401 - as above
    if value is _GONE:
        return "none"
    if at.rpartition(".")[2] in LOUD or isinstance(value, dict | list):
        return "…"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"

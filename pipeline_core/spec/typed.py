"""A tree of plain values to a typed spec: every fault, and as much of a spec as can be had."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.diagnose import problems_of
from oddspipe.core.spec.finding import Finding, value_at
from oddspipe.core.spec.shape import keys_at

Model = TypeVar("Model", bound=BaseModel)

ANY = "*"
"""Stands for any entry in the place of a stand-in."""

_MAX_ROUNDS = 64
_SURELY = 0.7


@dataclass(slots=True)
class Typed(Generic[Model]):
    """What typing gave.

    Attributes:
        spec: The typed spec, of what is sound and of stand-ins; None if there is too little.
        problems: Everything that is wrong with it, at the places of the file.
        gone: Places of the file whose values were left out.
    """

    spec: Model | None
    problems: list[Problem] = field(default_factory=list)
    gone: set[Path] = field(default_factory=set)
    _removed: dict[Path, list[int]] = field(default_factory=dict)
    _renamed: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> Path:
        """Return the place in the file of a place in the spec: entries before it may be gone."""
        found: list[str | int] = []
        for step in path:
            if isinstance(step, int):
                for gone in sorted(self._removed.get(tuple(found), ())):
                    step += gone <= step  # noqa: PLW2901 - moved back over what is gone
            found.append(self._renamed.get((*found, step), step))
        return tuple(found)

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Return problems of the spec as problems of the file."""
        return [replace(one, path=self.origin(one.path)) for one in problems]


def typed(
    tree: Any,  # noqa: ANN401 - plain values of any kind
    model: type[Model],
    stand_in: Mapping[Path, Any] | None = None,
) -> Typed[Model]:
    """Type a tree of plain values; find all faults, and get as much of a spec as can be had.

    Faulty values are taken out and the rest is typed again, so that one fault hides no other and
    the cross-checks can be made on what is sound.

    Args:
        tree: The values.
        model: Their type.
        stand_in: Sound values of required keys by place, for want of those in the tree; a place
            may have `ANY` for an entry.
    """
    done: Typed[Model] = Typed(None)
    trimming = _Trimming(_copied(tree), model, dict(stand_in or {}), done)
    for _ in range(_MAX_ROUNDS):
        try:
            done.spec = model.model_validate(trimming.tree)
        except ValidationError as error:
            found = [Finding.of(one, trimming.tree) for one in error.errors(include_url=False)]
        else:
            return done
        found = [one for one in found if not _emptied(one, found)]
        fresh = [one for one in found if not trimming.follows(one)]
        done.problems += done.placed(problems_of(fresh, trimming.tree, model))
        if not trimming.repair(found):
            return done
    return done


class _Trimming(Generic[Model]):
    """A tree out of which faulty values are taken."""

    def __init__(
        self,
        tree: Any,  # noqa: ANN401 - plain values of any kind
        model: type[Model],
        stand_in: dict[Path, Any],
        done: Typed[Model],
    ) -> None:
        self.tree = tree
        self._model = model
        self._rest = stand_in
        self._done = done

    def follows(self, one: Finding) -> bool:
        """Say whether a finding only follows from what was taken out before.

        Without a faulty value that told what a mapping is, it is taken for another choice, which
        lacks other keys; those that were lacking before were found before.
        """
        path = self._done.origin(one.path)
        if one.kind == "missing" and isinstance(path[-1], int):
            path = path[:-1]
        return any(
            path[: len(gone)] == gone
            or gone[: len(path)] == path
            or (one.kind == "missing" and path[:-1] == gone[:-1] and len(gone) > 1)
            for gone in self._gone
        )

    @property
    def _gone(self) -> set[Path]:
        return self._done.gone

    def repair(self, found: Sequence[Finding]) -> bool:
        """Take faulty values out, or put likely ones in; return whether that leads anywhere."""
        changed = False
        gone: dict[Path, bool] = {}
        for one in sorted(found, key=lambda one: one.kind != "extra_forbidden"):
            if self._choose(one) or self._stand(one) or self._rename(one, found):
                changed = True
            elif one.kind == "missing" and self._is_there(one.path):
                continue  # renamed just now
            elif one.kind in {"missing", "union_tag_not_found"}:
                # What lacks a required key cannot be had itself.
                gone[one.path[:-1] if one.kind == "missing" else one.path] = True
            else:
                gone[one.path] = one.kind != "extra_forbidden"
        # From the back, so that indexes of lists stay true.
        for path in sorted(gone, key=lambda one: [(str(type(s)), s) for s in one], reverse=True):
            changed |= self._take_out(path, known=gone[path])
        return changed

    def _choose(self, one: Finding) -> bool:
        """Take the nearest of several kinds, to check what belongs to it."""
        if one.kind != "union_tag_invalid":
            return False
        words = [w.strip().strip("'") for w in one.context.get("expected_tags", "").split(",")]
        close = difflib.get_close_matches(str(one.context.get("tag", "")), words, n=1)
        if close:
            key = one.context["discriminator"].strip("'")
            value_at(self.tree, one.path)[key] = close[0]
            self._gone.add((*self._done.origin(one.path), key))
        return bool(close)

    def _stand(self, one: Finding) -> bool:
        """Put a stand-in where a section or a key of one is missing and was not misspelt."""
        if one.kind != "missing" or self._is_there(one.path):
            return False
        of_entry = (*one.path[:-2], ANY, one.path[-1])
        if one.path in self._rest:
            value = _copied(self._rest.pop(one.path))
        elif of_entry in self._rest:
            value = self._rest[of_entry]
        else:
            return False
        value_at(self.tree, one.path[:-1])[one.path[-1]] = value
        self._lose(self._done.origin(one.path))
        return True

    def _lose(self, place: Path) -> None:
        """Remember that a value is gone, but where something below it is known to be at fault."""
        if not any(gone[: len(place)] == place for gone in self._gone):
            self._gone.add(place)

    def _is_there(self, path: Path) -> bool:
        holder = value_at(self.tree, path[:-1])
        return isinstance(holder, dict) and path[-1] in holder

    def _rename(self, one: Finding, found: Sequence[Finding]) -> bool:
        """Give a misspelt key its likely name, to check what is below it."""
        if one.kind != "extra_forbidden":
            return False
        above = one.path[:-1]
        holder, key = value_at(self.tree, above), str(one.path[-1])
        free = [name for name in keys_at(self._model, above, self.tree) if name not in holder]
        close = difflib.get_close_matches(key, free, n=1, cutoff=0.6)
        if not close:
            return False
        lacking = any(two.kind == "missing" and two.path == (*above, close[0]) for two in found)
        if not lacking and difflib.SequenceMatcher(None, close[0], key).ratio() < _SURELY:
            return False
        holder[close[0]] = holder.pop(one.path[-1])
        self._done._renamed[*self._done.origin(above), close[0]] = key  # noqa: SLF001 - of this module
        return True

    def _take_out(self, path: Path, *, known: bool) -> bool:
        if not path:
            return False
        holder, step = value_at(self.tree, path[:-1]), path[-1]
        origin = self._done.origin(path)
        if isinstance(holder, dict) and step in holder:
            del holder[step]
        elif isinstance(holder, list) and isinstance(step, int) and step < len(holder):
            del holder[step]
            self._done._removed.setdefault(origin[:-1], []).append(int(origin[-1]))  # noqa: SLF001
        else:
            return False
        if known:
            self._lose(origin)
        return True


def _emptied(one: Finding, found: Sequence[Finding]) -> bool:
    """Say whether a list is too short only for the faults of its entries."""
    size = len(one.path)
    return one.kind == "too_short" and any(
        len(two.path) > size and two.path[:size] == one.path for two in found
    )


def _copied(tree: Any) -> Any:  # noqa: ANN401 - plain values of any kind
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree

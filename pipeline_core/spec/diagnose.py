"""Validation errors to problems: our own codes and words, with what was probably meant."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.fields import kind_of
from oddspipe.core.spec.shape import choices_at, keys_at

Model = TypeVar("Model", bound=BaseModel)

_MAX_ROUNDS = 64
_MISSING: Any = object()


@dataclass(slots=True)
class Typed(Generic[Model]):
    """What typing gave.

    Attributes:
        spec: The typed spec; None if too much of it is missing.
        problems: Everything that is wrong with it.
        pruned: Places whose values were left out to get a spec for the further checks.
    """

    spec: Model | None
    problems: list[Problem] = field(default_factory=list)
    pruned: list[Path] = field(default_factory=list)


def typed(tree: Any, model: type[Model]) -> Typed[Model]:  # noqa: ANN401 - plain values of any kind
    """Type a tree of plain values; find all faults, and get as much of a spec as can be had.

    Faulty values are taken out and the rest is typed again, so that one fault hides no other and
    the cross-checks can be made on what is sound.
    """
    done: Typed[Model] = Typed(None)
    tree = _copied(tree)
    for _ in range(_MAX_ROUNDS):
        try:
            done.spec = model.model_validate(tree)
        except ValidationError as error:
            found = [_Finding.of(one, tree) for one in error.errors(include_url=False)]
        else:
            return done
        fresh = [one for one in found if not _covered(one.path, done.pruned)]
        done.problems += _problems(fresh, tree, model)
        if not _repair(found, tree, done.pruned):
            return done
    return done


@dataclass(frozen=True, slots=True)
class _Finding:
    """One error of pydantic's, with its place in the tree instead of in the types."""

    kind: str
    path: Path
    value: Any
    context: dict[str, Any]
    on_key: bool = False

    @classmethod
    def of(cls, error: ErrorDetails, tree: Any) -> "_Finding":  # noqa: ANN401 - plain values
        path, on_key = _place(error["loc"], tree, missing=error["type"] == "missing")
        context = dict(error.get("ctx", {}))
        return cls(error["type"], path, _value_at(tree, path), context, on_key)


def _place(loc: Sequence[str | int], tree: Any, *, missing: bool) -> tuple[Path, bool]:  # noqa: ANN401
    """Take the names of types and unions out of a place, so that it is one in the tree."""
    path: list[str | int] = []
    value = tree
    for at, step in enumerate(loc):
        if step == "[key]":
            return tuple(path), True
        below = _child(value, step)
        if below is not _MISSING:
            path.append(step)
            value = below
        elif missing and at == len(loc) - 1:
            path.append(step)
    return tuple(path), False


def _child(value: Any, step: str | int) -> Any:  # noqa: ANN401 - plain values of any kind
    if isinstance(value, dict):
        return value.get(step, _MISSING)
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return _MISSING


def _value_at(tree: Any, path: Path) -> Any:  # noqa: ANN401 - plain values of any kind
    for step in path:
        tree = _child(tree, step)
        if tree is _MISSING:
            return None
    return tree


def _copied(tree: Any) -> Any:  # noqa: ANN401 - plain values of any kind
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree


def _covered(path: Path, pruned: Iterable[Path]) -> bool:
    return any(path[: len(one)] == one for one in pruned)


def _repair(found: Sequence[_Finding], tree: Any, pruned: list[Path]) -> bool:  # noqa: ANN401, C901
    """Take faulty values out of the tree; return whether that can lead anywhere."""
    changed = False
    gone: list[tuple[Path, bool]] = []
    for one in found:
        near = _near_choice(one)
        if near is not None:
            holder = _value_at(tree, one.path)
            holder[one.context["discriminator"].strip("'")] = near
            changed = True
        elif one.kind in {"missing", "union_tag_not_found"}:
            # What lacks a required key cannot be had itself.
            gone.append((one.path[:-1] if one.kind == "missing" else one.path, False))
        else:
            gone.append((one.path, one.kind == "extra_forbidden"))
    # From the back, so that indexes of lists stay true.
    for path, unknown in sorted(
        gone, key=lambda one: [(str(type(s)), s) for s in one[0]], reverse=True
    ):
        if not path:
            return False
        holder = _value_at(tree, path[:-1])
        step = path[-1]
        if isinstance(holder, dict) and step in holder:
            del holder[step]
        elif isinstance(holder, list) and isinstance(step, int) and step < len(holder):
            # An entry that keeps its place keeps the places of those behind it.
            return _give_up(path, tree, pruned) or changed
        else:
            continue
        changed = True
        if not unknown:
            pruned.append(path)
    return changed


def _give_up(path: Path, tree: Any, pruned: list[Path]) -> bool:  # noqa: ANN401 - plain values
    """Take out the last entries of a list from the faulty one on."""
    holder = _value_at(tree, path[:-1])
    at = path[-1]
    if not isinstance(at, int):
        return False
    pruned.extend((*path[:-1], index) for index in range(at, len(holder)))
    del holder[at:]
    return True


def _near_choice(one: _Finding) -> str | None:
    if one.kind != "union_tag_invalid":
        return None
    expected = _quoted(one.context.get("expected_tags", ""))
    close = difflib.get_close_matches(str(one.context.get("tag", "")), expected, n=1)
    return close[0] if close else None


def _quoted(text: str) -> list[str]:
    return [word.strip().strip("'") for word in text.split(",")]


def _problems(
    found: Sequence[_Finding],
    tree: Any,  # noqa: ANN401
    model: type[BaseModel],
) -> list[Problem]:
    problems, meant = [], set()
    for one in found:
        if one.kind == "extra_forbidden":
            problem, near = _unknown_key(one, tree, model)
            problems.append(problem)
            meant.add((*one.path[:-1], near))
    for one in found:
        if one.kind == "extra_forbidden" or (one.kind == "missing" and one.path in meant):
            continue
        problems.append(_problem(one, tree, model))
    return problems


def _unknown_key(one: _Finding, tree: Any, model: type[BaseModel]) -> tuple[Problem, str]:  # noqa: ANN401
    key = str(one.path[-1])
    allowed = keys_at(model, one.path[:-1], tree)
    taken = _value_at(tree, one.path[:-1])
    free = [name for name in allowed if name not in taken]
    close = difflib.get_close_matches(key, free, n=1, cutoff=0.6)
    where = f" in '{_named(one.path[:-1])}'" if len(one.path) > 1 else ""
    hint = f"did you mean '{close[0]}'?" if close else _listing(allowed)
    problem = Problem("key.unknown", one.path, f"unknown key '{key}'{where}", hint, on_key=True)
    return problem, close[0] if close else ""


def _named(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _listing(words: Sequence[str]) -> str:
    return f"known here: {', '.join(words)}" if words else ""


def near(word: str, words: Sequence[str]) -> str:
    """Return `did you mean …?`, or the list of what there is."""
    close = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"one of: {', '.join(words)}"


_EXPECTED = {
    "string_type": ("type.text", "text"),
    "int_type": ("type.whole", "a whole number"),
    "int_from_float": ("type.whole", "a whole number"),
    "int_parsing": ("type.whole", "a whole number"),
    "float_type": ("type.number", "a number"),
    "bool_type": ("type.flag", "true or false"),
    "dict_type": ("type.mapping", "a mapping"),
    "model_type": ("type.mapping", "a mapping"),
    "model_attributes_type": ("type.mapping", "a mapping"),
    "tuple_type": ("type.list", "a list"),
    "list_type": ("type.list", "a list"),
    "string_sub_type": ("type.text", "text"),
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _problem(one: _Finding, tree: Any, model: type[BaseModel]) -> Problem:  # noqa: ANN401, C901, PLR0911, PLR0912
    if one.kind in _EXPECTED:
        return _wrong_type(one)
    if one.kind in _LIMITS:
        key, words = _LIMITS[one.kind]
        bound = _number(one.context[key])
        message = f"{_shown(one.value)} is out of range: it must be {words} {bound}"
        return Problem("value.range", one.path, message)
    if "message" in one.context:
        return Problem(one.kind, one.path, one.context["message"], one.context.get("hint", ""))
    match one.kind:
        case "missing":
            return _missing(one, tree)
        case "literal_error" | "enum":
            words = choices_at(model, one.path, tree)
            message = f"{_shown(one.value)} is not one of the values of '{_named(one.path)}'"
            return Problem("value.choice", one.path, message, near(str(one.value), words))
        case "union_tag_invalid":
            key = one.context["discriminator"].strip("'")
            words = _quoted(one.context["expected_tags"])
            tag = str(one.context["tag"])
            message = f"{_shown(tag)} is not one of the values of '{key}'"
            return Problem("value.choice", (*one.path, key), message, near(tag, words))
        case "union_tag_not_found":
            key = one.context["discriminator"].strip("'")
            words = choices_at(model, (*one.path, key), tree)
            message = f"'{_named(one.path)}' lacks the key '{key}'"
            return Problem("key.missing", (*one.path, key), message, near("", words), on_key=True)
        case "string_pattern_mismatch":
            return _bad_name(one)
        case "string_too_short" | "too_short":
            return Problem("value.empty", one.path, f"'{_named(one.path)}' must not be empty")
        case "string_too_long" | "too_long":
            message = f"'{_named(one.path)}' is too long: at most {one.context.get('max_length')}"
            return Problem("value.long", one.path, message)
        case "finite_number":
            return Problem("value.range", one.path, f"{_shown(one.value)} is not a finite number")
        case "is_instance_of":
            hint = "write {secret: path#key}; the value itself never stands in a spec"
            return Problem("value.secret", one.path, "a secret must be a reference", hint)
        case "invalid_key":
            return Problem(
                "type.key",
                one.path,
                f"the key '{_last(one.path)}' must be text",
                "quote it",
                on_key=True,
            )
        case _:
            return Problem("value.invalid", one.path, f"{_shown(one.value)} does not fit here")


def _last(path: Path) -> str:
    return str(path[-1]) if path else ""


def _missing(one: _Finding, tree: Any) -> Problem:  # noqa: ANN401 - plain values of any kind
    last = one.path[-1]
    if isinstance(last, int):
        holder = _value_at(tree, one.path[:-1])
        message = f"'{_named(one.path)}' has {len(holder)} of the 2 values that it needs"
        return Problem("value.length", one.path[:-1], message, "write [lowest, highest]")
    parent = f"'{_named(one.path[:-1])}'" if len(one.path) > 1 else "the file"
    return Problem(
        "key.missing", one.path, f"{parent} lacks the key '{last}'", f"add `{last}:`", on_key=True
    )


def _wrong_type(one: _Finding) -> Problem:
    code, expected = _EXPECTED[one.kind]
    if one.on_key:
        message = f"the key '{_last(one.path)}' must be {expected}"
        hint = "quote it" if expected == "text" else ""
        return Problem("type.key", one.path, message, hint, on_key=True)
    given = "nothing" if one.value is None else kind_of(one.value)
    what = f"'{_named(one.path)}'" if one.path else "the file"
    if one.path and isinstance(one.path[-1], int):
        what = f"entry {one.path[-1] + 1} of {what}"
    message = f"{what} must be {expected}, not {given}"
    return Problem(code, one.path, message, _type_hint(one, code))


_FLAGS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def _type_hint(one: _Finding, code: str) -> str:
    if code == "type.flag":
        meant = _FLAGS.get(str(one.value).lower())
        return f"write {meant}" if meant else "write true or false"
    if code == "type.text" and isinstance(one.value, (bool, int, float)):
        return f'quote it: "{_shown(one.value).strip(chr(39))}"'
    if code in {"type.whole", "type.number"} and isinstance(one.value, str):
        return "take the quotes away" if one.value.replace(".", "", 1).isdigit() else ""
    if code == "type.list" and one.value is not None and not isinstance(one.value, dict):
        return f"write [{one.value}]"
    return ""


def _bad_name(one: _Finding) -> Problem:
    word = _last(one.path) if one.on_key else str(one.value)
    lower = "".join(char if char.isalnum() else "_" for char in word.lower()).strip("_")
    hint = (
        f"write '{lower}'"
        if lower[:1].isalpha() and lower != word
        else ("lower-case letters, digits and underscores, a letter first")
    )
    return Problem("value.name", one.path, f"{_shown(word)} is not a name", hint, on_key=one.on_key)


def _shown(value: Any) -> str:  # noqa: ANN401 - plain values of any kind
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text if len(text) <= 40 else text[:37] + '...'}'"


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

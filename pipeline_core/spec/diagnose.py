"""Findings of typing to problems: our own codes and words, with what was probably meant."""

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from oddspipe.core.near import near
from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.fields import kind_of
from oddspipe.core.spec.finding import Finding, value_at
from oddspipe.core.spec.shape import choices_at, keys_at


def problems_of(
    found: Sequence[Finding],
    tree: Any,  # noqa: ANN401 - plain values of any kind
    model: type[BaseModel],
) -> list[Problem]:
    """Return what the findings mean; a missing key that stands there misspelt is said once."""
    problems, meant = [], set()
    for one in found:
        if one.kind == "extra_forbidden":
            problem, likely = _unknown_key(one, tree, model)
            problems.append(problem)
            meant.add((*one.path[:-1], likely))
    for one in found:
        if one.kind == "extra_forbidden" or (one.kind == "missing" and one.path in meant):
            continue
        problems.append(_problem(one, tree, model))
    return problems


def _unknown_key(one: Finding, tree: Any, model: type[BaseModel]) -> tuple[Problem, str]:  # noqa: ANN401
    key = str(one.path[-1])
    allowed = keys_at(model, one.path[:-1], tree)
    taken = value_at(tree, one.path[:-1])
    free = [name for name in allowed if name not in taken]
    close = difflib.get_close_matches(key, free, n=1, cutoff=0.6)
    where = f" in '{_named(one.path[:-1])}'" if len(one.path) > 1 else ""
    hint = near(key, free if close else allowed)
    problem = Problem("key.unknown", one.path, f"unknown key '{key}'{where}", hint, on_key=True)
    return problem, close[0] if close else ""


def _named(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


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


def _problem(one: Finding, tree: Any, model: type[BaseModel]) -> Problem:  # noqa: ANN401, C901, PLR0911, PLR0912
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
            choices = choices_at(model, one.path, tree)
            message = f"{_shown(one.value)} is not one of the values of '{_named(one.path)}'"
            return Problem("value.choice", one.path, message, near(str(one.value), choices))
        case "union_tag_invalid":
            key = one.context["discriminator"].strip("'")
            choices = _quoted(one.context["expected_tags"])
            tag = str(one.context["tag"])
            message = f"{_shown(tag)} is not one of the values of '{key}'"
            return Problem("value.choice", (*one.path, key), message, near(tag, choices))
        case "union_tag_not_found":
            key = one.context["discriminator"].strip("'")
            choices = choices_at(model, (*one.path, key), tree)
            message = f"'{_named(one.path)}' lacks the key '{key}'"
            hint = near("", choices)
            return Problem("key.missing", (*one.path, key), message, hint, on_key=True)
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


def _quoted(text: str) -> list[str]:
    return [word.strip().strip("'") for word in text.split(",")]


def _last(path: Path) -> str:
    return str(path[-1]) if path else ""


def _missing(one: Finding, tree: Any) -> Problem:  # noqa: ANN401 - plain values of any kind
    last = one.path[-1]
    if isinstance(last, int):
        holder = value_at(tree, one.path[:-1])
        message = f"'{_named(one.path)}' has {len(holder)} of the 2 values that it needs"
        return Problem("value.length", one.path[:-1], message, "write [lowest, highest]")
    parent = f"'{_named(one.path[:-1])}'" if len(one.path) > 1 else "the file"
    return Problem(
        "key.missing", one.path, f"{parent} lacks the key '{last}'", f"add `{last}:`", on_key=True
    )


def _wrong_type(one: Finding) -> Problem:
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


def _type_hint(one: Finding, code: str) -> str:
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


def _bad_name(one: Finding) -> Problem:
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


def _number(value: int | float) -> str:  # noqa: PYI041 - they are written differently
    return f"{value:g}" if isinstance(value, float) else str(value)

"""Schedules as CSV and JSON: the columns `game_id,kickoff,home,away,venue` and, at will, `zone`."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from oddspipe.core.near import near
from oddspipe.core.schedules.entry import COLUMNS, NEEDED, Entry, Fault, Found

_KEYS = ", ".join(NEEDED)


def read_csv(text: str) -> Found:
    r"""Return the games of a CSV file with a header; blank lines are passed over.

    >>> read_csv("game_id,kickoff,home,away,venue\n1,2026-09-10T20:15,A,B,Arena\n")[0].line
    2
    """
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: Found = []
    header: list[str] | None = None
    line = 1
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if header is None and any(cells):
                header = cells
                wrong = list(_columns(cells, "column"))
                if wrong:
                    return [Fault(line, f"{one}; the header is {_KEYS}, zone") for one in wrong]
            elif header is not None and any(cells):
                found.append(_row(header, cells, line))
            line = rows.line_num + 1
    except csv.Error as error:
        found.append(Fault(line, f"this is no CSV: {error}; mend the quotes of this row"))
    return found


def _row(header: list[str], cells: list[str], line: int) -> Entry | Fault:
    if len(cells) != len(header):
        return Fault(
            line,
            f"{len(cells)} cells in place of {len(header)}; "
            "put text that has a comma between double quotes",
        )
    return Entry(line, dict(zip(header, cells, strict=True)))


def _columns(names: list[str], word: str) -> Iterator[str]:
    """Yield what is wrong with names of columns or keys."""
    for at, name in enumerate(names):
        if name not in COLUMNS:
            yield f"there is no {word} {name!r}. {near(name, COLUMNS)}".rstrip(" ?.")
        elif name in names[:at]:
            yield f"{word} {name!r} is there twice"
    missing = [name for name in NEEDED if name not in names]
    if missing:
        yield (
            f"{word} {missing[0]!r} is missing"
            if len(missing) == 1
            else (f"{word}s {', '.join(missing)} are missing")
        )


def read_json(text: str) -> Found:
    """Return the games of a JSON list of objects; every value is text.

    >>> read_json('[{"game_id": "1"}]')
    [Fault(line=1, message='keys kickoff, home, away, venue are missing; write all of game_id, \
kickoff, home, away, venue')]
    """
    found: Found = []
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    at = _blank(text, 0)
    if text[at : at + 1] != "[":
        return [Fault(_line(text, at), f"no list begins here; write a list of objects: {_KEYS}")]
    at = _blank(text, at + 1)
    while text[at : at + 1] != "]" or found:
        # Object by object, since a decoded one no longer knows its line.
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            message = f"this is no JSON: {error.msg}; mend it here"
            return [*found, Fault(_line(text, error.pos), message)]
        except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
            message = f"this is no game; write an object with the keys {_KEYS}"
            return [*found, Fault(_line(text, at), message)]
        found.append(_object(value, _line(text, at)))
        at = _blank(text, end)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            return [*found, Fault(_line(text, at), "a comma or ] is missing here; put it in")]
        at = _blank(text, at + 1)
    rest = _blank(text, at + 1)
    if rest < len(text):
        found.append(Fault(_line(text, rest), "more text behind the list; take it out"))
    return found


class _Pairs(list[tuple[str, Any]]):
    """Members of an object, those with the same name too."""


def _object(value: object, line: int) -> Entry | Fault:
    if not isinstance(value, _Pairs):
        return Fault(line, f"this is no object; write one with the keys {_KEYS}")
    wrong = list(_columns([key for key, _ in value], "key"))
    if wrong:
        return Fault(line, f"{', and '.join(wrong)}; write all of {_KEYS}")
    for key, one in value:
        if not isinstance(one, str) and not (key == "zone" and one is None):
            return Fault(line, f"{key} is no text; put it between double quotes")
    return Entry(line, {key: (one or "").strip() for key, one in value})


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1

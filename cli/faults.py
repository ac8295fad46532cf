"""Faults of files as text, JSON, SARIF and annotations of GitHub."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer

from oddspipe import __version__
from oddspipe.cli.spec import Format
from oddspipe.core.spec.document import Diagnostic, Mark
from oddspipe.core.spec.faults import faults

DOCS = "docs/reference/errors.md"
SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_COLOURS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW}
_LEVELS = {"error": "error", "warning": "warning", "skipped": "note"}
_ANNOTATIONS = {"error": "error", "warning": "warning", "skipped": "notice"}
_MAX_EXCERPT = 140


def printed(found: Sequence[Diagnostic], form: Format, files: int) -> str:
    """Return what `validate` prints of the faults of some files."""
    match form:
        case Format.JSON:
            return json.dumps([fault_fields(one) for one in found], indent=2, ensure_ascii=False)
        case Format.SARIF:
            return json.dumps(sarif(found), indent=2, ensure_ascii=False)
        case Format.GITHUB:
            return "\n".join(_annotation(one) for one in found)
        case Format.TEXT:
            return "\n".join([*(fault_text(one) for one in found), _sum(found, files)])


def _sum(found: Sequence[Diagnostic], files: int) -> str:
    counts = [
        (sum(one.severity == severity for one in found), word)
        for severity, word in (("error", "fault"), ("warning", "warning"))
    ]
    told = [_counted(count, word) for count, word in counts if count]
    skipped = sum(one.severity == "skipped" for one in found)
    told += [f"{_counted(skipped, 'place')} with skipped checks"] if skipped else []
    return f"{_counted(files, 'file')}: {', '.join(told) or 'clean'}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _path(one: Diagnostic) -> str:
    return ".".join(str(step) for step in one.path)


def _link(one: Diagnostic) -> str:
    return f"{DOCS}#{one.code}"


def fault_fields(one: Diagnostic) -> dict[str, str | int]:
    """Return the fault as plain values."""
    return {
        "file": one.mark.file,
        "line": one.mark.line,
        "column": one.mark.column,
        "end_line": one.mark.end_line,
        "end_column": one.mark.end_column,
        "severity": one.severity,
        "code": one.code,
        "path": _path(one),
        "message": one.message,
        "hint": one.hint,
        "docs": _link(one),
    }


def fault_text(one: Diagnostic) -> str:
    """Return the fault as a place, an excerpt with a caret, and the likely fix."""
    gutter = " " * len(str(one.mark.line))
    source, caret = excerpt(one.source, one.mark)
    word = typer.style(f"{one.severity}[{one.code}]", fg=_COLOURS.get(one.severity), bold=True)
    lines = [
        f"{one.place}: {word}: {one.message}",
        f"{one.mark.line} | {source}",
        f"{gutter} | {caret}",
        f"{gutter} = at {_path(one) or 'the top'}",
    ]
    if one.hint:
        lines.append(f"{gutter} = {one.hint}")
    if one.severity != "skipped":
        lines.append(f"{gutter} = {_link(one)}")
    return "\n".join(lines) + "\n"


def excerpt(source: str, mark: Mark) -> tuple[str, str]:
    """Return a line of a file, cut if it is long, and a line of carets below the stretch.

    >>> excerpt("windo: 30s", Mark("f", 1, 1, 1, 6))
    ('windo: 30s', '^^^^^')
    """
    source = source.rstrip().replace("\t", " ")
    first = mark.column - 1
    last = mark.end_column - 1 if mark.end_line == mark.line else len(source)
    skipped = max(0, first - _MAX_EXCERPT // 2) if len(source) > _MAX_EXCERPT else 0
    shown = source[skipped : skipped + _MAX_EXCERPT]
    before, behind = "…" if skipped else "", "…" if skipped + len(shown) < len(source) else ""
    first, last = first - skipped, min(last - skipped, len(shown))
    caret = " " * (first + len(before)) + "^" * max(1, last - first)
    return f"{before}{shown}{behind}", caret


def _annotation(one: Diagnostic) -> str:
    place = f"file={_escaped(one.mark.file)},line={one.mark.line},col={one.mark.column}"
    told = f"{one.message}. {one.hint}".strip().replace("%", "%25").replace("\n", "%0A")
    return f"::{_ANNOTATIONS[one.severity]} {place},title={_escaped(one.code)}::{told}"


def _escaped(text: str) -> str:
    """Escape a property of a workflow command."""
    return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")


def sarif(found: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log, for viewers and code scanning."""
    codes = sorted({one.code for one in found})
    driver = {
        "name": "oddspipe",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, codes.index(one.code)) for one in found],
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    fault = faults()[code]
    return {
        "id": code,
        "shortDescription": {"text": fault.means},
        "help": {"text": f"{fault.do} See {DOCS}#{code}."},
    }


def _result(one: Diagnostic, rule: int) -> dict[str, Any]:
    mark = one.mark
    region = {
        "startLine": mark.line,
        "startColumn": mark.column,
        "endLine": mark.end_line,
        "endColumn": mark.end_column,
    }
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": {"uri": _uri(mark.file)}, "region": region}
    }
    if one.path:
        location["logicalLocations"] = [{"fullyQualifiedName": _path(one)}]
    return {
        "ruleId": one.code,
        "ruleIndex": rule,
        "level": _LEVELS[one.severity],
        "message": {"text": f"{one.message}. {one.hint}".strip()},
        "locations": [location],
    }


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())

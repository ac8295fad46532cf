"""How tests of a spec look: a line each, and for one that fails what was expected and what came."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import typer

from oddspipe.cli.faults import fault_fields, fault_text
from oddspipe.core.cases.compare import Difference
from oddspipe.core.cases.play import Came
from oddspipe.core.cases.run import Tested
from oddspipe.core.spec.document import Diagnostic

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LABELS = frozenset({"expected", "got"})


@dataclass(slots=True)
class TestedFile:
    """One file: its faults, or what came of its tests."""

    file: str
    faults: list[Diagnostic] = field(default_factory=list)
    tests: list[Tested] = field(default_factory=list)
    updated: int = 0

    @property
    def failed(self) -> int:
        """Return how many tests failed."""
        return sum(not one.passed for one in self.tests)


def line(one: Tested) -> str:
    """Return the line of one test."""
    if one.passed:
        return f"  {typer.style('pass', fg='green')}  {one.name}"
    return f"  {typer.style('FAIL', fg='red', bold=True)}  {one.name}"


def failure(one: Tested) -> str:
    """Return what was expected, what came, and what became of each entry of the test."""
    parts = [
        line
        for place, difference in one.differences
        for line in ("", f"{place}: {difference.what}", *_compared(difference))
    ]
    return "\n".join(["        " + part if part else "" for part in (*parts, "", *_came(one.came))])


def _compared(difference: Difference) -> Iterator[str]:
    for mark, text in difference.lines:
        yield f"  {mark:<9} {text}" if mark in _LABELS else f"  {mark} {text}"


def _came(came: Sequence[Came]) -> Iterator[str]:
    yield "what came of it:"
    times = [_seconds(one.at_us) for one in came]
    wide, told = max(map(len, times)), max(len(one.told) for one in came)
    for time, one in zip(times, came, strict=True):
        yield f"  {time:>{wide}}  {one.told:<{told}}  {one.became}"


def _seconds(at_us: int) -> str:
    return f"{at_us / 1e6:g}s"


def summary(files: Sequence[TestedFile]) -> str:
    """Return the last line."""
    run = sum(len(one.tests) for one in files)
    failed = sum(one.failed for one in files)
    faulty = sum(bool(one.faults) for one in files)
    updated = sum(one.updated for one in files)
    parts = [f"{run - failed} passed"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{faulty} {'file' if faulty == 1 else 'files'} with faults, not run"] * bool(faulty)
    parts += [f"{updated} expectations updated"] if updated else []
    return ", ".join(parts)


def faults_text(found: Sequence[Diagnostic]) -> str:
    """Return faults as `oddspipe validate` prints them."""
    return "\n".join(fault_text(one) for one in found)


def as_json(files: Sequence[TestedFile]) -> str:
    """Return everything as JSON."""
    return json.dumps([_file(one) for one in files], indent=2, ensure_ascii=False)


def _file(one: TestedFile) -> dict[str, object]:
    return {
        "file": one.file,
        "faults": [fault_fields(fault) for fault in one.faults],
        "updated": one.updated,
        "tests": [
            {
                "name": test.name,
                "place": test.place,
                "passed": test.passed,
                "seconds": round(test.seconds, 6),
                "differences": [
                    {
                        "place": place,
                        "path": ".".join(map(str, difference.path)),
                        "what": difference.what,
                        "lines": [list(pair) for pair in difference.lines],
                    }
                    for place, difference in test.differences
                ],
                "came": [
                    {"at_us": came.at_us, "entry": came.told, "became": came.became}
                    for came in test.came
                ],
            }
            for test in one.tests
        ],
    }


def as_junit(files: Sequence[TestedFile]) -> str:
    """Return everything as JUnit XML, which CI servers read; a file with faults is an error."""
    total, failed = sum(len(one.tests) for one in files), sum(one.failed for one in files)
    errors = sum(bool(one.faults) for one in files)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites tests="{total}" failures="{failed}" errors="{errors}">',
    ]
    for one in files:
        lines += _suite(one)
    return "\n".join([*lines, "</testsuites>"])


def _suite(one: TestedFile) -> Iterator[str]:
    time = sum(test.seconds for test in one.tests)
    yield (
        f"  <testsuite name={_attribute(one.file)} "
        f'tests="{len(one.tests) + bool(one.faults)}" failures="{one.failed}" '
        f'errors="{int(bool(one.faults))}" time="{time:.3f}">'
    )
    if one.faults:
        yield f'    <testcase name="validate" classname={_attribute(one.file)}>'
        yield f"      <error message={_attribute(one.faults[0].message)}>"
        yield _text(faults_text(one.faults)) + "</error>"
        yield "    </testcase>"
    for test in one.tests:
        head = f"    <testcase name={_attribute(test.name)} classname={_attribute(one.file)}"
        head += f' time="{test.seconds:.3f}"'
        if test.passed:
            yield head + "/>"
            continue
        said = "; ".join(difference.what for _, difference in test.differences)
        yield head + ">"
        yield f"      <failure message={_attribute(said)}>"
        yield _text(failure(test)) + "</failure>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))


def _text(text: str) -> str:
    return _clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clean(text: str) -> str:
    """Take out colours, and characters that XML cannot hold."""
    plain = _COLOUR.sub("", text)
    return "".join(char for char in plain if char in "\n\t" or char >= " ")

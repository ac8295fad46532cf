"""Text to a document; a section that is no YAML is said so, left out, and the rest is read."""

import re
from dataclasses import replace

import yaml

from oddspipe.core.problem import Problem
from oddspipe.core.spec.builder import Builder
from oddspipe.core.spec.document import Document, Mark, Node

_MAX_RECOVERIES = 20
_TOP_LEVEL = re.compile(r"([^\s#&*!|>'\"%@`{}\[\],?-][^:#]*?)\s*:(?:\s|$)")


def parse(text: str, file: str) -> Document:
    """Parse text; where a section is no YAML, say so, leave it out and go on with the rest."""
    lines = text.splitlines()
    document = Document(file, None, {file: lines})
    remaining = text
    for _ in range(_MAX_RECOVERIES):
        builder = Builder(remaining, file)
        try:
            root = builder.build()
        except yaml.YAMLError as error:
            problem, mark = _syntax_fault(error, file, lines)
            if problem.message == _UNCLOSED and any(
                mark.line < at.line for _, at in document.faults
            ):
                # An open quote runs on to the next one: what followed from that is forgotten.
                remaining, document.faults, document.lost = text, [], {}
            section = _section(remaining, mark.line)
            if section is None:
                document.faults.append((problem, mark))
                document.lost["*"] = mark
                return document
            first, last, key = section
            document.faults.append((replace(problem, path=(key,)), mark))
            document.lost.setdefault(key, mark)
            kept = remaining.splitlines(keepends=True)
            kept[first:last] = ["\n"] * (last - first)
            remaining = "".join(kept)
            continue
        document.faults += builder.faults
        return _rooted(document, root)
    return document


def _rooted(document: Document, root: Node | None) -> Document:
    mark = Mark(document.file, 1, 1, 1, 2)
    if root is None or root.mapping is None:
        document.lost.setdefault("*", mark)
    if root is None or (root.mapping is None and root.entries is None and root.value is None):
        if not document.faults:
            problem = Problem("yaml.empty", (), "the file says nothing", "write a mapping")
            document.faults.append((problem, mark))
    elif root.mapping is None:
        if not root.broken:
            problem = Problem(
                "yaml.not-a-mapping", (), "the file must be a mapping of keys to values"
            )
            document.faults.append((problem, replace(root.mark, end_line=root.mark.line)))
    else:
        document.root = root
    return document


def _section(text: str, line: int) -> tuple[int, int, str] | None:
    """Return the first and last line (half open, from 0) and the key of the section at `line`."""
    lines = text.splitlines()
    starts = [(at, found[1]) for at, one in enumerate(lines) if (found := _TOP_LEVEL.match(one))]
    before = [(at, key) for at, key in starts if at < line]
    if not before:
        return None
    first, key = before[-1]
    last = next((at for at, _ in starts if at > first), len(lines))
    return first, last, key


_UNCLOSED = "this quote is never closed"
_SYNTAX_WORDS = (
    (
        "found character that cannot start any token",
        "this character cannot start a value",
        "indent with spaces, not tabs, and quote values that begin with @, ` or %",
    ),
    (
        "mapping values are not allowed",
        "a ':' is out of place here",
        "quote the value if it contains ': ', or check the indentation",
    ),
    ("could not find expected ':'", "a key without ':'", "write `key: value`"),
    ("found unexpected end of stream", _UNCLOSED, "close it"),
    (
        "did not find expected ',' or '}'",
        "this '{' is not closed, or a comma is missing",
        "write {a: 1, b: 2}",
    ),
    (
        "did not find expected ',' or ']'",
        "this '[' is not closed, or a comma is missing",
        "write [a, b]",
    ),
    ("did not find expected key", "the indentation does not fit the lines above", "align the keys"),
    (
        "did not find expected '-' indicator",
        "the list ends here without a '-'",
        "align the entries of the list",
    ),
    ("did not find expected node content", "a value is missing here", "write a value or quote it"),
    ("found undefined tag handle", "tags have no place in a spec", "take the '!' away"),
    ("found a tab character", "a tab indents this line", "indent with spaces"),
    (
        "unknown escape character",
        "this escape is not one of YAML's",
        "use single quotes, in which a backslash is itself",
    ),
    (
        "block sequence entries are not allowed",
        "a '-' is out of place here",
        "begin the list on a line of its own",
    ),
    ("did not find expected <document start>", "the file holds something behind its end", ""),
)


def _syntax_fault(error: yaml.YAMLError, file: str, lines: list[str]) -> tuple[Problem, Mark]:
    if not isinstance(error, yaml.MarkedYAMLError):
        position = getattr(error, "position", 0)
        line, column = _line_of(lines, position)
        problem = Problem(
            "yaml.syntax", (), "a character that text may not contain", "take it away"
        )
        return problem, Mark(file, line, column, line, column + 1)
    said = error.problem or str(error)
    context = error.context or ""
    opened = ("flow" in context or "quoted" in context) and "escape" not in said
    at = error.context_mark if opened and error.context_mark else error.problem_mark
    words = next(((m, h) for key, m, h in _SYNTAX_WORDS if key in said), (f"not YAML: {said}", ""))
    line, column = (at.line + 1, at.column + 1) if at is not None else (1, 1)
    if line > len(lines) > 0:
        line, column = len(lines), len(lines[-1]) + 1
    return Problem("yaml.syntax", (), *words), Mark(file, line, column, line, column + 1)


def _line_of(lines: list[str], position: int) -> tuple[int, int]:
    for number, line in enumerate(lines, 1):
        if position <= len(line):
            return number, position + 1
        position -= len(line) + 1
    return max(1, len(lines)), 1

"""A file that a person wrote, as a tree that knows the place of every key and value."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oddspipe.core.problem import Path, Problem, Severity


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a file; lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Broken:
    """Stands in a list for an entry that the loader refused: those behind keep their places."""


BROKEN = Broken()


@dataclass(slots=True)
class Node:
    """A value with its place.

    Attributes:
        value: The plain value of a scalar or reference; None of a mapping or list.
        mark: Where it is written.
        key_mark: Where its key is written; None of a list's entries and of the root.
        mapping: Entries of a mapping, else None.
        entries: Entries of a list, else None.
        raw: A scalar as it stands in the file, with quotes and indentation; for offsets.
        style: `'`, `"`, `|`, `>` or empty (plain).
        origin: From where a reference got its value, e.g. `$REDIS_URL`; empty of written values.
        broken: Whether the loader already found it faulty, so that nobody else complains.
    """

    mark: Mark
    value: Any = None
    key_mark: Mark | None = None
    mapping: "dict[str | int, Node] | None" = None
    entries: "list[Node] | None" = None
    raw: str = ""
    style: str = ""
    origin: str = ""
    broken: bool = False

    def plain(self) -> Any:  # noqa: ANN401 - a tree of plain values of any kind
        """Return the tree of plain values below this node.

        Broken values are left out of mappings; in lists `BROKEN` keeps their place.
        """
        if self.mapping is not None:
            return {key: one.plain() for key, one in self.mapping.items() if not one.broken}
        if self.entries is not None:
            return [BROKEN if one.broken else one.plain() for one in self.entries]
        return self.value

    def child(self, step: str | int) -> "Node | None":
        """Return the entry under a key or at an index, if there is one."""
        if self.mapping is not None:
            return self.mapping.get(step)
        if self.entries is not None and isinstance(step, int) and 0 <= step < len(self.entries):
            return self.entries[step]
        return None

    def walk(self, path: Path = ()) -> "Iterator[tuple[Path, Node]]":
        """Yield this node and all below it, each with its path."""
        yield path, self
        below: Any = (
            self.mapping.items() if self.mapping is not None else enumerate(self.entries or ())
        )
        for step, one in below:
            yield from one.walk((*path, step))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A problem with its place in a file: what is shown to a person."""

    code: str
    severity: Severity
    message: str
    hint: str
    path: Path
    mark: Mark
    source: str
    """The line of the file at `mark`."""

    @property
    def place(self) -> str:
        """Return `file:line:column`."""
        return f"{self.mark.file}:{self.mark.line}:{self.mark.column}"


Faults = list[tuple[Problem, Mark]]
"""Problems of a text, each with its place: the tree may not have one for it."""


@dataclass(slots=True)
class Document:
    """A spec file with everything that it extends, merged.

    Attributes:
        file: Name of the file, as it was given.
        root: The merged tree; None if nothing could be read.
        sources: Lines of every file that took part, the file itself first.
        faults: What the loader found, each with its place.
        lost: Top-level keys whose sections could not be read, and where the fault is; `*` for
            keys that nobody knows, those of a file that could not be read.
    """

    file: str
    root: Node | None
    sources: dict[str, list[str]]
    faults: Faults = field(default_factory=list)
    lost: dict[str, Mark] = field(default_factory=dict)

    def plain(self) -> Any:  # noqa: ANN401 - a tree of plain values of any kind
        """Return the merged tree as plain values; secrets stay references."""
        return {} if self.root is None else self.root.plain()

    def find(self, path: Path) -> tuple[Node | None, Path]:
        """Return the deepest node on `path`, and what of the path it stands for."""
        node = self.root
        walked: Path = ()
        for step in path:
            below = node.child(step) if node is not None else None
            if below is None:
                break
            node, walked = below, (*walked, step)
        return node, walked

    def hides(self, problem: Problem) -> bool:
        """Say whether a problem only follows from what the loader already complained of.

        That is so at a broken place, and where something is missing that a section which could
        not be read, or a file which is not there, may well hold.
        """
        node, walked = self.root, 0
        for step in problem.path:
            below = node.child(step) if node is not None else None
            if below is None:
                break
            node, walked = below, walked + 1
            if node.broken:
                return True
        absent = walked < len(problem.path) or not problem.path
        return absent and bool(self.lost.keys() & {"*", *problem.path[:1]})

    def unread(self) -> set[Path]:
        """Return the places that the loader found broken, and the sections that it left out."""
        broken = set()
        if self.root is not None and self.faults:
            broken = {path for path, node in self.root.walk() if node.broken}
        return broken | {(key,) for key in self.lost if key != "*"}

    def called(self, place: Path) -> str:
        """Return the name of what stands at a place: its key, or what a list's entry says."""
        node, walked = self.find(place)
        if not place or isinstance(place[-1], str) or node is None or walked != place:
            return str(place[-1]) if place else ""
        named = node.child("name") or node
        return str(named.value)

    def locate(self, problem: Problem) -> Mark:
        """Return where in the files a problem lies."""
        node, walked = self.find(problem.path)
        if problem.path and not walked and problem.path[0] in self.lost:
            return self.lost[str(problem.path[0])]
        if node is None:
            return Mark(self.file, 1, 1, 1, 2)
        if problem.offset is not None and walked == problem.path:
            return mark_inside(node, problem.offset)
        if node.key_mark is not None and (problem.on_key or walked != problem.path):
            return node.key_mark
        return _opening(node) if node is self.root else node.mark

    def diagnostic(self, problem: Problem, mark: Mark | None = None) -> Diagnostic:
        """Return a problem with its place, its line of the file, and its words in order."""
        where = mark or self.locate(problem)
        lines = self.sources.get(where.file, [])
        node, walked = self.find(problem.path)
        given = node.origin if node is not None and walked == problem.path and mark is None else ""
        message = _sentence(problem.message).rstrip(".")
        return Diagnostic(
            problem.code,
            problem.severity,
            f"{message} (the value is {_whose(given)})" if given else message,
            _sentence(problem.hint),
            problem.path,
            where,
            lines[where.line - 1] if 0 < where.line <= len(lines) else "",
        )

    def diagnostics(self, problems: list[Problem]) -> list[Diagnostic]:
        """Return the loader's faults and `problems`, in file order, each once."""
        found = [self.diagnostic(problem, mark) for problem, mark in self.faults]
        # What a fault leaves unchecked is said where the fault is.
        marks = {one.path: self.locate(one) for one in problems if one.severity != "skipped"}
        marks |= {problem.path: mark for problem, mark in reversed(self.faults)}
        marks |= {(): self.lost["*"]} if "*" in self.lost else {}
        found += [
            self.diagnostic(one, marks.get(one.path) if one.severity == "skipped" else None)
            for one in problems
        ]
        order = {file: at for at, file in enumerate(self.sources)}
        unique = dict.fromkeys(found)
        return sorted(
            unique,
            key=lambda one: (
                order.get(one.mark.file, len(order)),
                one.mark.line,
                one.mark.column,
                one.severity == "skipped",
                one.code,
            ),
        )


def _whose(origin: str) -> str:
    return origin if origin.startswith("default") else f"that of {origin}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _opening(node: Node) -> Mark:
    """Return a mark of the first key of the root: a whole file makes a poor excerpt."""
    first = next(iter((node.mapping or {}).values()), None)
    if first is not None and first.key_mark is not None and first.key_mark.file == node.mark.file:
        return first.key_mark
    return Mark(
        node.mark.file, node.mark.line, node.mark.column, node.mark.line, node.mark.column + 1
    )


def mark_inside(node: Node, offset: int) -> Mark:
    """Return where character `offset` of a scalar's value stands in the file.

    Folding, indentation and quotes change only white space and escapes, so the place is found by
    counting the characters that are not white space.
    """
    if not isinstance(node.value, str) or not node.raw or node.origin:
        return node.mark
    value = node.value
    offset = max(0, min(offset, len(value)))
    at_end = offset == len(value) or value[offset].isspace()
    wanted = sum(not char.isspace() for char in value[:offset])
    if at_end:
        wanted -= 1  # just behind the character before it
    seen = -1
    for line, column, char in _characters(node):
        if char.isspace():
            continue
        seen += 1
        if seen == wanted:
            column += at_end  # noqa: PLW2901
            end = column + (1 if at_end else _word_length(value, offset))
            return Mark(node.mark.file, line, column, line, end)
    return node.mark


def _word_length(value: str, offset: int) -> int:
    """Return the length of the word, string or sign that starts at `offset`."""
    if value[offset] == "'":
        end = value.find("'", offset + 1)
        return max(1, end + 1 - offset)
    end = offset
    while end < len(value) and (value[end].isalnum() or value[end] in "_."):
        end += 1
    return max(1, end - offset)


_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
_ESCAPED_SPACE = frozenset("tnrvf \t_NLP")


def _characters(node: Node) -> Iterator[tuple[int, int, str]]:
    """Yield line, column and meaning of every character of a scalar as it stands in the file."""
    raw, at = node.raw, 0
    line, column = node.mark.line, node.mark.column
    if node.style in {"|", ">"}:
        at = raw.find("\n") + 1
        line, column = line + 1, 1
    elif node.style:
        raw = raw[:-1]
        at, column = 1, column + 1
    while at < len(raw):
        taken, char = _one_character(raw, at, node.style)
        yield line, column, char
        if raw[at] == "\n" or (taken > 1 and raw[at + taken - 1] == "\n"):
            line, column = line + 1, 1
        else:
            column += taken
        at += taken


def _one_character(raw: str, at: int, style: str) -> tuple[int, str]:
    if style == "'" and raw.startswith("''", at):
        return 2, "'"
    if style == '"' and raw[at] == "\\" and at + 1 < len(raw):
        letter = raw[at + 1]
        digits = _ESCAPE_DIGITS.get(letter, 0)
        if digits:
            return 2 + digits, chr(int(raw[at + 2 : at + 2 + digits], 16))
        return 2, " " if letter in _ESCAPED_SPACE or letter == "\n" else letter
    return 1, raw[at]

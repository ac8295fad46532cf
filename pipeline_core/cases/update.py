"""Write what came in the place of what was expected; every other byte of the file stays."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from oddspipe.core.cases.compare import Difference, SetEntries, SetValue, as_yaml
from oddspipe.core.errors import UsageError
from oddspipe.core.spec.document import Document, Node
from oddspipe.core.spec.loader import loads

_LINE_END = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did: how many expectations were written anew, and those that it left."""

    written: int
    left: tuple[Difference, ...]


def update(document: Document, found: Sequence[Difference]) -> Updated:
    """Write the expectations that were not met anew, in the files that they stand in.

    Raises:
        UsageError: A file cannot be written, or has changed since it was read.
    """
    by_file: dict[str, list[Difference]] = {}
    left: list[Difference] = []
    for difference in found:
        node, walked = document.find(difference.path)
        if difference.fix is None or node is None or walked != difference.path or node.origin:
            left.append(difference)
        else:
            by_file.setdefault(node.mark.file, []).append(difference)
    for file, differences in by_file.items():
        _rewrite(document, file, differences)
    return Updated(len(found) - len(left), tuple(left))


def _rewrite(document: Document, file: str, found: Sequence[Difference]) -> None:
    try:
        raw = FilePath(file).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
    text = raw.removeprefix(_BOM)
    before = len(text)
    if text.splitlines() != document.sources[file]:
        raise UsageError(f"{file} has changed since its tests ran", hint="Run them again.")
    place = _Text(text)
    edits = [
        edit
        for difference in found
        if (node := document.find(difference.path)[0]) is not None
        for edit in _edits(place, node, difference)
    ]
    text = edited(text, edits)
    if any(problem.code.startswith("yaml.") for problem, _ in loads(text).faults):
        raise UsageError(
            f"{file} was left as it is: an update would not be YAML any more",
            hint="Write the expectations by hand; please report the file as a bug.",
        )
    try:
        FilePath(file).write_bytes((raw[: len(raw) - before] + text).encode())
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Return a text with all edits made.

    >>> edited("lead: 7, down: 1", [Edit(6, 7, "10"), Edit(15, 16, "2")])
    'lead: 10, down: 2'
    """
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


class _Text:
    """A file's text by line and column."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        found = _LINE_END.search(text)
        self.line_end = found[0] if found is not None else "\n"

    def start(self, node: Node) -> int:
        """Return where a node begins."""
        return self.starts[node.mark.line - 1] + node.mark.column - 1

    def end(self, node: Node) -> int:
        """Return where a node ends: behind its last sign, not behind the comments after it."""
        below = list((node.mapping or {}).values()) or node.entries or []
        if below and not self.is_flow(node):
            return self.end(below[-1])
        return self.starts[node.mark.end_line - 1] + node.mark.end_column - 1

    def is_flow(self, node: Node) -> bool:
        """Say whether a mapping or list is written in brackets."""
        return self.text[self.start(node)] in "{["

    def raw(self, node: Node) -> str:
        """Return a node as it is written."""
        return self.text[self.start(node) : self.end(node)]

    def line_of(self, at: int) -> int:
        """Return where the line of a character begins."""
        return max(start for start in self.starts if start <= at)

    def behind_line(self, at: int) -> int:
        """Return where the line after that of a character begins."""
        return min((start for start in self.starts if start > at), default=len(self.text))


def _edits(place: _Text, node: Node, difference: Difference) -> Iterator[Edit]:
    fix = difference.fix
    if isinstance(fix, SetValue):
        yield Edit(place.start(node), place.end(node), as_yaml(fix.value))
    elif isinstance(fix, SetEntries):
        entries = node.entries or []
        kept = [at for at, _ in fix.entries if at is not None]
        if len(kept) == len(entries) == len(fix.entries):
            for at, patch in fix.entries:
                yield from _patched(place, entries[at or 0], patch)
        elif not fix.entries or not entries or place.is_flow(node):
            yield _list_in_brackets(place, node, fix)
        else:
            yield from _list_of_lines(place, node, fix)


def _patched(place: _Text, node: Node, patch: object) -> Iterator[Edit]:
    """Set some values of an entry; one that is not there any more takes the whole entry anew."""
    if not isinstance(patch, dict) or not patch:
        return
    if all(value is not None for value in patch.values()):
        for name, value in patch.items():
            below = (node.mapping or {})[name]
            yield Edit(place.start(below), place.end(below), as_yaml(value))
        return
    yield Edit(place.start(node), place.end(node), _whole(node, patch))


def _whole(node: Node, patch: Mapping[str, object]) -> str:
    values = {**node.plain(), **patch}
    return as_yaml({name: value for name, value in values.items() if value is not None})


def _entry(place: _Text, entries: Sequence[Node], at: int | None, patch: object) -> str:
    """Return one entry as text: an old one as it was written but for what is patched."""
    if at is None:
        return as_yaml(patch)
    node = entries[at]
    begin = place.start(node)
    edits = [
        Edit(edit.start - begin, edit.end - begin, edit.text)
        for edit in _patched(place, node, patch)
    ]
    return edited(place.raw(node), edits)


def _list_in_brackets(place: _Text, node: Node, fix: SetEntries) -> Edit:
    entries = node.entries or []
    is_flow = place.is_flow(node)
    texts = [
        _entry(place, entries, at, patch)
        if at is None or is_flow
        else _whole(entries[at], patch if isinstance(patch, dict) else {})
        for at, patch in fix.entries
    ]
    start, line = place.start(node), place.line_of(place.start(node))
    room = 100 - (start - line) - 2
    between = ", "
    if sum(map(len, texts)) + 2 * len(texts) > room:
        between = "," + place.line_end + " " * (start - line + 1)
    made = "[" + between.join(texts) + "]"
    if not is_flow:
        # In the line of the key, where a list in brackets may stand whatever the indentation.
        key = place.text.rindex(":", 0, start) + 1
        if not place.text[key:start].strip():
            return Edit(key, place.end(node), " " + made)
    return Edit(start, place.end(node), made)


def _list_of_lines(place: _Text, node: Node, fix: SetEntries) -> Iterator[Edit]:
    """Take lines out of a list that has a line (or several) for each entry, and put others in."""
    entries = node.entries or []
    dash = " " * (node.mark.column - 1) + "- "
    kept = {at for at, _ in fix.entries if at is not None}
    for number, one in enumerate(entries):
        if number not in kept:
            start = place.line_of(_dash(place, one))
            yield Edit(start, place.behind_line(place.end(one) - 1), "")
    behind = place.line_of(place.start(node))
    fresh: list[str] = []
    for at, patch in fix.entries:
        if at is None:
            fresh.append(f"{dash}{as_yaml(patch)}{place.line_end}")
            continue
        if fresh:
            yield Edit(behind, behind, "".join(fresh))
            fresh = []
        yield from _patched(place, entries[at], patch)
        behind = place.behind_line(place.end(entries[at]) - 1)
    if fresh:
        ends = place.text[behind - 1 : behind] in "\r\n\x85\u2028\u2029"
        yield Edit(behind, behind, ("" if ends else place.line_end) + "".join(fresh))


def _dash(place: _Text, entry: Node) -> int:
    return place.text.rindex("-", 0, place.start(entry))

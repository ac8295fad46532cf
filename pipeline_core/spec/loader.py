"""Text to a tree that remembers line and column; what YAML allows and a spec does not is refused.

Scalars are read as in YAML 1.2: `no`, `on` and `12:30:45` are text, not a truth value or 45045.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import yaml

from oddspipe.core.errors import UsageError
from oddspipe.core.problem import Problem
from oddspipe.core.spec.document import Document, Mark, Node
from oddspipe.core.spec.fields import SecretRef

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_EXTENDS = 8
_MAX_RECOVERIES = 20

_INT = re.compile(r"[-+]?(0|[1-9]\d{0,39})")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d{1,3})?")
_SPECIAL_FLOAT = {".inf", "-.inf", "+.inf", ".nan"}
_ODD_NUMBER = re.compile(
    r"[-+]?(?:0\d[\d_]*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0b[01_]+|\d[\d_]*_[\d_]*(?:\.\d+)?|\d{41,})"
)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOP_LEVEL = re.compile(r"([^\s#&*!|>'\"%@`{}\[\],?-][^:#]*?)\s*:(?:\s|$)")

_Faults = list[tuple[Problem, Mark]]


def load(path: str | os.PathLike[str], *, environ: Mapping[str, str] | None = None) -> Document:
    """Read a file and everything that it extends; find every fault of the text, raise none.

    Args:
        path: The file.
        environ: Environment that `{env: NAME}` reads; the process's own when left out.

    Raises:
        UsageError: The file cannot be read.
    """
    document = _read(FilePath(path), str(path), ())
    if document.root is not None:
        _resolve(document.root, (), os.environ if environ is None else environ, document.faults)
    return document


def loads(text: str, *, file: str = "<text>", environ: Mapping[str, str] | None = None) -> Document:
    """Read text that extends nothing; `environ` as in `load`."""
    document = _parse(text, file)
    if document.root is not None:
        _resolve(document.root, (), os.environ if environ is None else environ, document.faults)
    return document


def read_scalar(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar stands for, as in YAML 1.2.

    >>> [read_scalar(one) for one in ("7", "1e3", "no", "12:30:45", "true", "~")]
    [7, 1000.0, 'no', '12:30:45', True, None]
    """
    if text in {"", "~", "null", "Null", "NULL"}:
        return None
    if text.lower() in {"true", "false"} and (text.islower() or text.istitle() or text.isupper()):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _ODD_NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in _SPECIAL_FLOAT:
        return float(text.lower().replace(".", ""))
    return text


def _read(path: FilePath, shown: str, above: tuple[FilePath, ...]) -> Document:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        problem = Problem("yaml.too-big", (), f"the file is larger than {MAX_BYTES // 1024} KiB")
        return Document(shown, None, {shown: []}, [(problem, Mark(shown, 1, 1, 1, 2))])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem("yaml.encoding", (), "the file is not UTF-8", "save it as UTF-8")
        return Document(
            shown, None, {shown: []}, [(problem, Mark(shown, line, column, line, column + 1))]
        )
    document = _parse(text, shown)
    return _extended(document, path, (*above, path.resolve()))


def _extended(document: Document, path: FilePath, above: tuple[FilePath, ...]) -> Document:
    """Merge a document over the one that it extends."""
    node = document.root.child("extends") if document.root is not None else None
    if document.root is None or node is None or not isinstance(node.value, str) or node.broken:
        return document
    target = path.parent / node.value
    fault = ""
    if target.resolve() in above:
        fault, code = f"'{node.value}' extends this file in a circle", "extends.cycle"
    elif len(above) >= MAX_EXTENDS:
        fault, code = f"more than {MAX_EXTENDS} files extend one another", "extends.depth"
    elif not target.is_file():
        fault, code = f"there is no file '{node.value}'", "extends.missing"
    else:
        code = ""
    if fault:
        hint = _nearest_file(target) if code == "extends.missing" else "take one `extends` away"
        document.faults.append((Problem(code, ("extends",), fault, hint), node.mark))
        node.broken = True
        document.lost |= {"*"}
        return document
    shown = os.path.relpath(target) if not os.path.isabs(document.file) else str(target)  # noqa: PTH117
    shown = _beside(document.file, node.value) or shown
    base = _read(target, shown, above)
    document.sources.update(base.sources)
    document.faults += base.faults
    document.lost |= base.lost
    if base.root is not None:
        document.root = _merged(base.root, document.root)
    else:
        document.lost |= {"*"}
    return document


def _beside(file: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(file), name))  # noqa: PTH118, PTH120


def _nearest_file(target: FilePath) -> str:
    import difflib  # noqa: PLC0415 - only a fault needs it

    if not target.parent.is_dir():
        return f"there is no folder '{target.parent.name}' either"
    names = sorted(one.name for one in target.parent.iterdir() if one.suffix in {".yaml", ".yml"})
    close = difflib.get_close_matches(target.name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else "the path is relative to this file"


def _merged(base: Node, over: Node) -> Node:
    """Lay one tree over another: mappings key by key, anything else replaces; null takes away."""
    if base.mapping is None or over.mapping is None:
        return over
    mapping = dict(base.mapping)
    for key, node in over.mapping.items():
        below = mapping.get(key)
        if below is not None and _is_null(node):
            del mapping[key]
        else:
            mapping[key] = node if below is None else _merged(below, node)
    return replace(over, mapping=mapping)


def _is_null(node: Node) -> bool:
    return node.mapping is None and node.entries is None and node.value is None and not node.broken


def _resolve(
    node: Node, path: tuple[str | int, ...], environ: Mapping[str, str], faults: _Faults
) -> None:
    """Put values in the place of references to environment variables and secrets."""
    if node.mapping is not None:
        keys = set(node.mapping)
        if "env" in keys and keys <= {"env", "default"}:
            _from_environment(node, path, environ, faults)
            return
        if keys == {"secret"}:
            _secret(node, path, faults)
            return
        for key, below in node.mapping.items():
            _resolve(below, (*path, key), environ, faults)
    for at, below in enumerate(node.entries or ()):
        _resolve(below, (*path, at), environ, faults)


def _from_environment(
    node: Node, path: tuple[str | int, ...], environ: Mapping[str, str], faults: _Faults
) -> None:
    mapping = node.mapping or {}
    name, default = mapping["env"], mapping.get("default")
    node.mapping = None
    if not isinstance(name.value, str) or not _ENV_NAME.fullmatch(name.value):
        problem = Problem(
            "ref.env",
            (*path, "env"),
            "the name of an environment variable is expected here",
            "write e.g. {env: REDIS_URL, default: ...}",
        )
        faults.append((problem, name.mark))
        node.broken = True
        return
    node.origin = f"${name.value}"
    if name.value in environ:
        node.value = read_scalar(environ[name.value])
    elif default is not None:
        node.value, node.mapping, node.entries = default.value, default.mapping, default.entries
        node.origin = f"default of ${name.value}"
    else:
        problem = Problem(
            "ref.env-unset",
            path,
            f"the environment variable '{name.value}' is not set",
            f"set it, or write {{env: {name.value}, default: ...}}",
        )
        faults.append((problem, name.mark))
        node.broken = True


def _secret(node: Node, path: tuple[str | int, ...], faults: _Faults) -> None:
    target = (node.mapping or {})["secret"]
    parts = target.value.split("#") if isinstance(target.value, str) else []
    node.mapping = None
    if len(parts) == 2 and all(parts):
        node.value = SecretRef(parts[0], parts[1])
        return
    problem = Problem(
        "ref.secret",
        (*path, "secret"),
        "a secret is named by its path and its key",
        "write {secret: path#key}",
    )
    faults.append((problem, target.mark))
    node.broken = True


def _parse(text: str, file: str) -> Document:
    """Parse text; where a section is no YAML, say so, leave it out and go on with the rest."""
    lines = text.splitlines()
    document = Document(file, None, {file: lines})
    remaining = text
    for _ in range(_MAX_RECOVERIES):
        builder = _Builder(remaining, file)
        try:
            root = builder.build()
        except yaml.YAMLError as error:
            problem, mark = _syntax_fault(error, file, lines)
            document.faults.append((problem, mark))
            section = _section(remaining, mark.line)
            if section is None:
                return document
            first, last, key = section
            document.lost.add(key)
            kept = remaining.splitlines(keepends=True)
            kept[first:last] = ["\n"] * (last - first)
            remaining = "".join(kept)
            continue
        document.faults += builder.faults
        return _rooted(document, root)
    return document


def _rooted(document: Document, root: Node | None) -> Document:
    mark = Mark(document.file, 1, 1, 1, 2)
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
    ("found unexpected end of stream", "this quote is never closed", "close it"),
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
    opened = "flow" in context or "quoted" in context
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


class _Builder:
    """Make nodes of parser events without recursion, so that no nesting can hurt."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._stack: list[Node] = []
        self._keys: list[tuple[str | int, Mark, bool] | None] = []
        self._root: Node | None = None
        self._too_deep = 0
        self.faults: _Faults = []

    def build(self) -> Node | None:
        """Return the root; `faults` has what was refused.

        Raises:
            yaml.YAMLError: The text is not YAML.
        """
        documents = 0
        for event in self._events():
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self._fault(
                        "yaml.many-documents",
                        "a second document begins here",
                        event,
                        "one file holds one spec",
                    )
            if documents == 1:
                self._take(event)
        return self._root

    def _events(self) -> Iterator[yaml.Event]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        yield from yaml.parse(self._text, Loader=loader)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._refuse_decorations(event)
        if isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)
        elif isinstance(event, yaml.AliasEvent):
            self._place(Node(self._mark(event), broken=True))
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)

    def _refuse_decorations(self, event: yaml.NodeEvent) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._fault(
                "yaml.alias",
                f"aliases such as '*{event.anchor}' are not allowed",
                event,
                "write the value out, or share it with `extends`",
            )
            return
        if event.anchor is not None:
            self._fault(
                "yaml.anchor",
                f"anchors such as '&{event.anchor}' are not allowed",
                event,
                "take it away",
            )
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            short = tag.replace("tag:yaml.org,2002:", "!!")
            self._fault(
                "yaml.tag", f"tags such as '{short}' are not allowed", event, "take it away"
            )

    def _begin(self, event: yaml.CollectionStartEvent) -> None:
        if self._too_deep or len(self._stack) >= MAX_DEPTH:
            if not self._too_deep:
                self._fault("yaml.too-deep", f"nested deeper than {MAX_DEPTH} levels", event)
            self._too_deep += 1
            return
        node = Node(self._mark(event))
        if isinstance(event, yaml.MappingStartEvent):
            node.mapping = {}
        else:
            node.entries = []
        self._stack.append(node)
        self._keys.append(None)

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        if self._too_deep:
            self._too_deep -= 1
            if not self._too_deep:
                self._place(Node(self._mark(event), broken=True))
            return
        node = self._stack.pop()
        self._keys.pop()
        end = self._mark(event)
        node.mark = replace(node.mark, end_line=end.end_line, end_column=end.end_column)
        self._place(node)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._too_deep:
            return
        node = Node(self._mark(event))
        node.style = event.style or ""
        node.raw = self._text[event.start_mark.index : event.end_mark.index]
        node.value = event.value if node.style else read_scalar(event.value)
        if not node.style and _ODD_NUMBER.fullmatch(event.value) and not self._awaits_key():
            self._fault(
                "yaml.number-form",
                f"'{event.value[:40]}' is read differently by different programs",
                event,
                "write a decimal number without leading zeros, or quote it",
            )
            node.broken = True
        if (not node.style and self._awaits_key() and not isinstance(node.value, int)) or (
            isinstance(node.value, bool) and self._awaits_key()
        ):
            node.value = event.value
        self._place(node)

    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._stack[-1].mapping is not None and self._keys[-1] is None

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs: root, key, value or entry."""
        if self._too_deep:
            return
        if not self._stack:
            self._root = node
            return
        parent, key = self._stack[-1], self._keys[-1]
        if parent.entries is not None:
            parent.entries.append(node)
        elif key is None:
            self._keys[-1] = self._key(node, parent)
        else:
            name, node.key_mark, keep = key
            if keep and parent.mapping is not None:
                parent.mapping[name] = node
            self._keys[-1] = None

    def _key(self, node: Node, parent: Node) -> tuple[str | int, Mark, bool]:
        if node.mapping is not None or node.entries is not None or node.broken:
            if not node.broken:
                self.faults.append(
                    (
                        Problem(
                            "yaml.key",
                            self._path(),
                            "a key must be a word or a number",
                            "write `key: value`",
                        ),
                        node.mark,
                    )
                )
            return "", node.mark, False
        if node.value == "<<" and not node.style:
            self.faults.append(
                (
                    Problem(
                        "yaml.merge-key",
                        self._path(),
                        "merge keys ('<<') are not allowed",
                        "share values with `extends`",
                    ),
                    node.mark,
                )
            )
            return "", node.mark, False
        name: Any = node.value
        first = (parent.mapping or {}).get(name)
        if first is not None and first.key_mark is not None:
            self.faults.append(
                (
                    Problem(
                        "yaml.duplicate-key",
                        (*self._path(), name),
                        f"the key '{name}' is here a second time; the first is on line {first.key_mark.line}",  # noqa: E501
                        "keep one of them",
                    ),
                    node.mark,
                )
            )
            return name, node.mark, False
        return name, node.mark, True

    def _path(self) -> tuple[str | int, ...]:
        """Return the path of the collection that is being read."""
        path: list[str | int] = []
        for node, key in zip(self._stack[:-1], self._keys[:-1], strict=True):
            if node.entries is not None:
                path.append(len(node.entries))
            elif key is not None:
                path.append(key[0])
        return tuple(path)

    def _here(self) -> tuple[str | int, ...]:
        if not self._stack:
            return ()
        node, key = self._stack[-1], self._keys[-1]
        last: tuple[str | int, ...] = ()
        if node.entries is not None:
            last = (len(node.entries),)
        elif key is not None:
            last = (key[0],)
        return (*self._path(), *last)

    def _fault(self, code: str, message: str, event: yaml.Event, hint: str = "") -> None:
        mark = self._mark(event)
        if mark.end_line != mark.line:
            mark = replace(mark, end_line=mark.line, end_column=mark.column + 1)
        self.faults.append((Problem(code, self._here(), message, hint), mark))

    def _mark(self, event: yaml.Event) -> Mark:
        start, end = event.start_mark, event.end_mark
        return Mark(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

"""Parser events to a tree that knows places; what YAML allows and a spec does not is refused.

Scalars are read as in YAML 1.2: `no`, `on` and `12:30:45` are text, not a truth value or 45045.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import yaml

from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.document import Faults, Mark, Node

MAX_DEPTH = 32

_INT = re.compile(r"[-+]?(0|[1-9]\d{0,39})")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d{1,3})?")
_SPECIAL_FLOAT = {".inf", "-.inf", "+.inf", ".nan"}
_ODD_NUMBER = re.compile(
    r"[-+]?(?:0\d[\d_]*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0b[01_]+|\d[\d_]*_[\d_]*(?:\.\d+)?|\d{41,})"
)


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


class Builder:
    """Make nodes of parser events without recursion, so that no nesting can hurt."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._stack: list[Node] = []
        self._keys: list[tuple[str | int, Mark, bool] | None] = []
        self._root: Node | None = None
        self._too_deep = 0
        self.faults: Faults = []

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
        if event.start_mark is not None and event.end_mark is not None:
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

    def _path(self) -> Path:
        """Return the path of the collection that is being read."""
        path: list[str | int] = []
        for node, key in zip(self._stack[:-1], self._keys[:-1], strict=True):
            if node.entries is not None:
                path.append(len(node.entries))
            elif key is not None:
                path.append(key[0])
        return tuple(path)

    def _here(self) -> Path:
        if not self._stack:
            return ()
        node, key = self._stack[-1], self._keys[-1]
        last: Path = ()
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
        if start is None or end is None:
            raise AssertionError("the parser marks every event")
        return Mark(self._file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

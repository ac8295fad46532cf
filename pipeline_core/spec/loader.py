"""A file and all that it extends, as one document with every fault of the text."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath

from oddspipe.core.errors import UsageError
from oddspipe.core.problem import Problem
from oddspipe.core.spec.document import Document, Mark, Node
from oddspipe.core.spec.packaged import is_packaged, packaged_file
from oddspipe.core.spec.parser import parse
from oddspipe.core.spec.references import resolve

MAX_BYTES = 256 * 1024
MAX_EXTENDS = 8


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
        resolve(document.root, (), os.environ if environ is None else environ, document.faults)
    return document


def loads(text: str, *, file: str = "<text>", environ: Mapping[str, str] | None = None) -> Document:
    """Read text that extends nothing; `environ` as in `load`."""
    document = parse(text, file)
    if document.root is not None:
        resolve(document.root, (), os.environ if environ is None else environ, document.faults)
    return document


def _read(path: FilePath, shown: str, above: tuple[FilePath, ...]) -> Document:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        problem = Problem("yaml.too-big", (), f"the file is larger than {MAX_BYTES // 1024} KiB")
        mark = Mark(shown, 1, 1, 1, 2)
        return Document(shown, None, {shown: []}, [(problem, mark)], {"*": mark})
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem("yaml.encoding", (), "the file is not UTF-8", "save it as UTF-8")
        mark = Mark(shown, line, column, line, column + 1)
        return Document(shown, None, {shown: []}, [(problem, mark)], {"*": mark})
    document = parse(text, shown)
    return _extended(document, path, (*above, path.resolve()))


def _extended(document: Document, path: FilePath, above: tuple[FilePath, ...]) -> Document:
    """Merge a document over the one that it extends."""
    node = document.root.child("extends") if document.root is not None else None
    if document.root is None or node is None or not isinstance(node.value, str) or node.broken:
        return document
    packaged = is_packaged(node.value)
    target = (packaged_file(node.value) if packaged else None) or path.parent / node.value
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
        document.lost["*"] = node.mark
        return document
    shown = str(target) if packaged else _beside(document.file, node.value)
    base = _read(target, shown, above)
    document.sources.update(base.sources)
    document.faults += base.faults
    document.lost = {**base.lost, **document.lost}
    if base.root is not None:
        document.root = _merged(base.root, document.root)
    else:
        document.lost["*"] = node.mark
    return document


def _beside(file: str, name: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(file), name))  # noqa: PTH118, PTH120


def _nearest_file(target: FilePath) -> str:
    import difflib  # noqa: PLC0415 - only a fault needs it

    if is_packaged(target.name):
        return f"no package {target.name.partition(':')[0]!r} is installed"
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

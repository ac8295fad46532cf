"""Markdown: tables, headings, and the sentences of docstrings."""

import inspect
import re
from collections.abc import Iterable, Sequence

EDITED_BY_NOBODY = "<!-- Made from the code by `make docs`. Do not edit: a test compares it. -->"


def page(title: str, intro: str, *parts: str) -> str:
    """Return a whole page."""
    body = "\n\n".join(part.strip("\n") for part in (intro, *parts) if part)
    return f"{EDITED_BY_NOBODY}\n# {title}\n\n{body}\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells keep to one line."""
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Return text that does not end a cell: `|` inside code too is taken for the cell's end."""
    return " ".join(text.split()).replace("|", "\\|") or " "


def code(word: object) -> str:
    """Return a word set as code, nothing for nothing.

    >>> code("a"), code("")
    ('`a`', '')
    """
    return f"`{word}`" if str(word) else ""


def anchor(name: str) -> str:
    """Return an anchor that keeps dots, which a heading's own anchor would lose."""
    return f'<a id="{name}"></a>'


def own_doc(thing: object) -> str:
    """Return the docstring without its indent; empty where there is none of its own.

    A compiled function's begins with its signature, which its plain twin's does not have: left out.

    >>> own_doc(len).partition(".")[0]
    'Return the number of items in a container'
    """
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    first, gap, rest = text.partition("\n\n")
    signed = gap and first.startswith(f"{getattr(thing, '__name__', '')}(") and "\n" not in first
    return rest if signed else text


def summary(thing: object) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join(own_doc(thing).partition("\n\n")[0].split())


def attributes(thing: object) -> dict[str, str]:
    """Return what the section `Attributes:` or `Args:` of a docstring says of each name.

    >>> class Point:
    ...     '''A place.
    ...
    ...     Attributes:
    ...         x, y: Where it is,
    ...             in metres.
    ...     '''
    >>> attributes(Point)
    {'x': 'Where it is, in metres.', 'y': 'Where it is, in metres.'}
    """
    found: dict[str, str] = {}
    _, _, listed = own_doc(thing).partition("Attributes:\n")
    entry = re.compile(r"^    (\w+(?:, \w+)*): (.*(?:\n {8,}.*)*)", re.MULTILINE)
    for names, said in entry.findall(listed):
        found |= dict.fromkeys(names.split(", "), " ".join(said.split()))
    return found


def comments(enum: type) -> dict[str, str]:
    """Return the string that stands below each member of an enum, by the member's name."""
    lines = inspect.getsource(enum)
    entry = re.compile(r'^    (\w+) = [^\n]+\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
    return {name: " ".join(said.split()) for name, said in entry.findall(lines)}

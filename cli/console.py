"""Tables, colours and plain lines: the only module that imports Rich."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.align import Align
from rich.box import SIMPLE_HEAD
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

__all__ = [
    "Align",
    "Columns",
    "Group",
    "RenderableType",
    "Rule",
    "Screen",
    "Text",
    "is_terminal",
    "note",
    "show",
    "size",
    "sparkline",
    "table",
]

_OUT = Console(highlight=False)
_ERR = Console(stderr=True, highlight=False)
_BARS = "▁▂▃▄▅▆▇█"


def is_terminal() -> bool:
    """Say whether a person is looking at the output."""
    return _OUT.is_terminal and sys.stdout.isatty()


def size() -> tuple[int, int]:
    """Return columns and lines of the terminal."""
    return _OUT.size.width, _OUT.size.height


def show(*parts: RenderableType) -> None:
    """Print to standard output."""
    for part in parts:
        _OUT.print(part)


def note(message: str, *, style: str = "") -> None:
    """Print a line to standard error: progress and warnings, never results."""
    _ERR.print(message, style=style or None, markup=False, soft_wrap=True)


def table(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], *, expand: bool = False
) -> Table:
    """Return a plain table; a column is its title and `l` or `r` for how it is aligned."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=expand, show_edge=False)
    for title, aligned in columns:
        made.add_column(title, justify="right" if aligned == "r" else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    return made


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw the last `width` values as bars between their own least and greatest.

    >>> sparkline([0.0, 0.5, 1.0], 8)
    '▁▅█'
    """
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high - low < 1e-9:
        return _BARS[3] * len(shown)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * steps)] for value in shown)


class Screen:
    """A part of the terminal that is drawn anew in place; what was there comes back after it."""

    def __init__(self, draw: Callable[[], RenderableType]) -> None:
        """Take what makes the picture."""
        self._draw = draw
        self._live = Live(console=_OUT, auto_refresh=False, screen=True, vertical_overflow="crop")

    def start(self) -> None:
        """Take over the terminal."""
        self._live.start()

    def refresh(self) -> None:
        """Draw."""
        self._live.update(self._draw(), refresh=True)

    def stop(self) -> None:
        """Give the terminal back."""
        self._live.stop()


def facts(values: Mapping[str, Any]) -> Table:
    """Return names and values in two columns."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column()
    for name, value in values.items():
        made.add_row(name, value if isinstance(value, Text) else str(value))
    return made

"""Tables, colours and plain lines: the only module that imports Rich."""

import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = [
    "Fitted",
    "Group",
    "Part",
    "RenderableType",
    "Screen",
    "Text",
    "columns",
    "cut",
    "facts",
    "fit",
    "grid",
    "is_terminal",
    "note",
    "page",
    "show",
    "size",
    "sparkline",
    "svg",
    "table",
    "title",
]

_OUT = Console(highlight=False)
_ERR = Console(stderr=True, highlight=False)
PAGE_COLUMNS = 100
_BARS = "▁▂▃▄▅▆▇█"


def is_terminal() -> bool:
    """Say whether a person is looking at the output."""
    return _OUT.is_terminal and sys.stdout.isatty() and not _OUT.is_dumb_terminal


def size() -> tuple[int, int]:
    """Return columns and lines of the terminal."""
    return _OUT.size.width, _OUT.size.height


def show(*parts: RenderableType) -> None:
    """Print to standard output."""
    for part in parts:
        _OUT.print(part)


def page(*parts: RenderableType) -> None:
    """Print to standard output in lines of at most 100 columns, which read well."""
    width = min(_OUT.width, PAGE_COLUMNS)
    if _OUT.is_terminal:
        for part in parts:
            _OUT.print(part, width=width)
        return
    with _OUT.capture() as printed:
        for part in parts:
            _OUT.print(part, width=width)
    # Tables pad their cells; files and pipes want none of it.
    _OUT.file.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def title(words: str) -> Text:
    """Return a heading."""
    return Text(words, style="bold")


def note(message: str | Text, *, style: str = "") -> None:
    """Print a line to standard error: progress and warnings, never results."""
    _ERR.print(message, style=style or None, markup=False, soft_wrap=True)


def table(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], *, expand: bool = False
) -> Table:
    """Return a plain table; a column is its title and how it is aligned.

    `l` left, `r` right, `w` left and wrapped where the window is narrow; others are cut off.
    """
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), expand=expand, show_edge=False)
    for title, aligned in columns:
        made.add_column(
            title,
            justify="right" if aligned == "r" else "left",
            no_wrap=aligned != "w",
            overflow="fold" if aligned == "w" else "ellipsis",
        )
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the screen, and how many lines it takes."""

    drawn: RenderableType
    lines: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """Which columns of a table a window has room for, how far apart, and the room they take."""

    kept: tuple[int, ...]
    gap: int
    used: int


def fit(
    titles: Sequence[str], rows: Sequence[Sequence[Text]], width: int, drops: Sequence[int]
) -> Fitted:
    """Choose the columns that fit into `width`; `drops` go first, in that order."""
    widths = [
        max(len(title), *(row[at].cell_len for row in rows), 0) for at, title in enumerate(titles)
    ]
    kept = list(range(len(titles)))
    for drop in (None, *drops):
        if drop is not None:
            kept.remove(drop)
        for gap in (3, 2, 1):
            used = sum(widths[at] for at in kept) + gap * (len(kept) - 1)
            if used <= width:
                return Fitted(tuple(kept), gap, used)
    return Fitted(tuple(kept), 1, width)


def columns(
    fitted: Fitted,
    titles: Sequence[str],
    rows: Sequence[Sequence[Text]],
    *,
    last: tuple[str, Sequence[Text]] | None = None,
) -> Table:
    """Return a table without lines: the first column and `last` to the left, others right."""
    made = Table(box=None, padding=(0, fitted.gap, 0, 0), pad_edge=False, header_style="dim")
    for at in fitted.kept:
        made.add_column(titles[at], justify="right" if at else "left", no_wrap=True)
    if last is not None:
        made.add_column(last[0], no_wrap=True)
    for number, row in enumerate(rows):
        more = [last[1][number]] if last is not None else []
        made.add_row(*(row[at] for at in fitted.kept), *more)
    return made


def cut(line: str, width: int, style: str = "") -> Text:
    """Return a line that does not go beyond the window."""
    text = Text(f" {line}", style=style, no_wrap=True)
    text.truncate(width, overflow="ellipsis")
    return text


def svg(part: RenderableType, size: tuple[int, int], title: str) -> str:
    """Return a picture of what a terminal of this size shows."""
    drawn = Console(
        record=True, width=size[0], height=size[1], file=io.StringIO(), force_terminal=True,
        color_system="truecolor", highlight=False,
    )  # fmt: skip
    drawn.print(part)
    return drawn.export_svg(title=title)


def sparkline(values: Iterable[float], width: int) -> str:
    """Draw the last `width` values as bars between their own least and greatest.

    >>> sparkline([0.0, 0.5, 1.0], 8)
    '▁▅█'
    """
    shown = list(values)[-width:] if width > 0 else []
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


def facts(values: Mapping[str, Any], *, indent: int = 0) -> Padding:
    """Return names and values in two columns."""
    return grid(list(values.items()), indent=indent)


def grid(
    rows: Sequence[Sequence[Any]],
    *,
    indent: int = 0,
    styles: Sequence[str] = ("dim",),
    right: Sequence[int] = (),
) -> Padding:
    """Return columns without lines; the last one wraps, those in `right` are aligned there."""
    made = Table.grid(padding=(0, 2))
    width = max((len(row) for row in rows), default=0)
    for at in range(width):
        made.add_column(
            style=styles[at] if at < len(styles) else "",
            no_wrap=at < width - 1,
            overflow="fold",  # a path is no use with its end cut off
            justify="right" if at in right else "left",
        )
    for row in rows:
        # Text, so that brackets in a value are not taken for styles.
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return Padding(made, (0, 0, 0, indent))

"""A bound of the memory that a run takes, computed from the plan, line by line.

Each line counts what the structure is made of at the load profile's peak; `tests/unit/test_memory`
fills the structures and holds the lines to what they then take. What does not follow from a plan
(the program itself, the ClickHouse engine) was measured and says so.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from oddspipe.core.batch.layout import Column, Layout
from oddspipe.core.names import FieldType
from oddspipe.core.plan.catalogue import size_text
from oddspipe.core.plan.checks.timing import duration_text
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.feed import AHEAD_BYTES, STEP_ROWS
from oddspipe.core.runtime.lane import LANE_BYTES
from oddspipe.core.stages.slots import Shape
from oddspipe.ext._fold_state import META, NODE_VALUES

SECOND_US: Final = 1_000_000
KEY_BYTES: Final = 24
"""A remembered key: time and 128-bit hash."""
CHUNK_KEYS: Final = 65_536
"""Keys come and go in chunks; one is begun, one is on its way out, one is kept for the next."""
SLOT_BYTES: Final = 8
SMALLEST_TABLE: Final = 4096
PAGE_BYTES: Final = 2 << 20
"""A table as large as a huge page is aligned to one, which takes up to a page more."""
GROWN: Final = 3
"""An array that doubles when it is full: the new one, and the old one while it is copied."""
NAMES: Final = 4096
"""Players and the like: more than take part in a season of any sport here."""
NAME_BYTES: Final = 160
"""A name at 64 bytes in the table of names, and as Python text."""
LOGGED_EXTRA: Final = 2
"""Scores, corrections, start and end beside the plays of a game: as many again."""
MEASURED_PROGRAM: Final = 136 << 20
"""Python, NumPy, Polars and the sinks' clients: 128 MB were measured when a run had just begun."""
MEASURED_MODEL: Final = 96 << 20
"""A process of a model: 74 MB were measured with the NFL's and NBA's, 86 MB with the MLB's."""
MEASURED_ENGINE: Final = 704 << 20
"""The ClickHouse engine in the process: 285 MB were measured at the start, 650 when it was busy."""


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """One structure: what it takes at most, and how that was worked out.

    Attributes:
        formula: With this plan's numbers in it.
        measured: Whether the figure was measured, not computed.
        of_gaps: How much of it is there only when every game waits for a missing event.
    """

    name: str
    bytes: int
    formula: str
    measured: bool = False
    of_gaps: int = 0


def memory_of(plan: Plan) -> list[MemoryLine]:
    """Return every structure of a run in one process, the largest that it can be at the peak."""
    duplicates, held = duplicates_line(plan), held_line(plan)
    state, boards, names = state_line(plan), boards_line(plan), names_line(plan)
    lines = [duplicates, held, state, boards, names]
    lines += [
        snapshot_line(plan, lines),
        read_ahead_line(plan),
        step_line(plan),
        waiting_line(plan),
    ]
    if _has_engine(plan):
        lines.append(insert_line(plan))
        lines.append(
            MemoryLine("ClickHouse engine", MEASURED_ENGINE, "in the process", measured=True)
        )
    lines += process_lines(plan)
    lines.append(
        MemoryLine("program", MEASURED_PROGRAM, "Python, NumPy, Polars, clients", measured=True)
    )
    return lines


def process_lines(plan: Plan) -> list[MemoryLine]:
    """Bound the models that have a process of their own: the program there, and their limit."""
    asked = {"model's process": plan.isolation}
    if plan.shadow is not None:
        asked["shadow's process"] = plan.shadow.isolation
    return [
        MemoryLine(
            name, MEASURED_MODEL + one.memory_bytes,
            f"{size_text(MEASURED_MODEL)} loaded, and {size_text(one.memory_bytes)} that it may "
            "take besides",
        )
        for name, one in asked.items()
        if one.process
    ]  # fmt: skip


def within(plan: Plan, window_us: int) -> int:
    """Return how many events come in a window at the peak."""
    return -(-plan.load.peak_rate * window_us // SECOND_US)


def duplicates_line(plan: Plan) -> MemoryLine:
    """Bound the keys of the window for duplicates: a ring in chunks, and a table of slots."""
    keys = within(plan, plan.duplicates.window_us)
    chunks = keys // CHUNK_KEYS + 3
    # The table doubles only while more than half of it is live, so it stays below 4 slots a key.
    slots = max(SMALLEST_TABLE, 1 << (4 * max(keys, 1)).bit_length() - 1)
    tables = (slots * SLOT_BYTES, slots * SLOT_BYTES // 2)
    aligned = PAGE_BYTES * sum(table >= PAGE_BYTES for table in tables)
    size = chunks * CHUNK_KEYS * KEY_BYTES + sum(tables) + aligned
    return MemoryLine(
        "duplicates", size,
        f"{plan.load.peak_rate:,}/s × {duration_text(plan.duplicates.window_us)} = {keys:,} keys "
        f"in {chunks} chunks of {size_text(CHUNK_KEYS * KEY_BYTES)}; {slots:,} slots × "
        f"{SLOT_BYTES} B × 1.5 while the table grows, {size_text(aligned)} to align it",
    )  # fmt: skip


def held_count(plan: Plan) -> int:
    """Return how many events may wait at once: none longer than `order.window`."""
    return min(plan.order.max_held * plan.load.games_at_once, within(plan, plan.order.window_us))


def held_line(plan: Plan) -> MemoryLine:
    """Bound the events that wait for a gap to fill, were every game to have one."""
    events, columns, payload = held_count(plan), len(plan.layout), event_bytes(plan.layout)
    row, text = held_row_bytes(columns), payload + 49
    size = events * (GROWN * row + text)
    return MemoryLine(
        "held events", size,
        f"{events:,} events ({duration_text(plan.order.window_us)} of the peak, at most "
        f"{plan.order.max_held:,} a game) × ({GROWN} × {row} B of columns + {text} B of payload)",
        of_gaps=size,
    )  # fmt: skip


def held_row_bytes(columns: int) -> int:
    """Return the bytes of one held event without its payload.

    Its words, presence, key, position and reference; sequence and arrival, two words each.
    """
    return 8 * columns + 8 + 16 + 8 + 8 + 32


def state_line(plan: Plan) -> MemoryLine:
    """Bound the folded state: a row a game of the season, and the log of the games in play."""
    games, columns = season_games(plan), len(plan.state)
    row = 8 * META + 5 * 8 * columns + 3 * 8 + 8
    logged = plan.load.games_at_once * plan.made_game.plays * LOGGED_EXTRA
    node = 8 * (NODE_VALUES + columns) + 4
    return MemoryLine(
        "state of games", GROWN * (max(games, 16) * row + max(logged, 256) * node),
        f"{GROWN} × ({games:,} games of a season × {row} B + {logged:,} logged events × {node} B)",
    )  # fmt: skip


def boards_line(plan: Plan) -> MemoryLine:
    """Bound the last board of every game."""
    games, shape = season_games(plan), Shape.of(plan.odds.markets)
    board = 5 * 8 * len(shape) + shape.markets + 8
    return MemoryLine(
        "boards", GROWN * max(games, 16) * board,
        f"{GROWN} × {games:,} games of a season × ({len(shape)} prices × 40 B + "
        f"{shape.markets + 8} B)",
    )  # fmt: skip


def names_line(plan: Plan) -> MemoryLine:
    """Bound the names of games and players, which are numbered once and kept."""
    columns = sum(column.type is FieldType.STRING for column in plan.layout.columns)
    count = season_games(plan) + NAMES * columns
    return MemoryLine(
        "names", GROWN * count * NAME_BYTES,
        f"{GROWN} × {count:,} names × {NAME_BYTES} B: games of a season, and {NAMES:,} in each of "
        f"{columns} text fields",
    )  # fmt: skip


def snapshot_line(plan: Plan, state: list[MemoryLine]) -> MemoryLine:
    """Bound a snapshot on its way to the disk: the keys as they are, twice what is copied."""
    held = held_count(plan) * (held_row_bytes(len(plan.layout)) + event_bytes(plan.layout))
    keys = within(plan, plan.duplicates.window_us) * KEY_BYTES
    rest = sum(line.bytes for line in state[2:]) // GROWN
    return MemoryLine(
        "snapshot", keys + 2 * (held + rest),
        f"{size_text(keys)} of keys + 2 × ({size_text(held)} held + {size_text(rest)} of games), "
        "one at a time",
        of_gaps=2 * held,
    )  # fmt: skip


def read_ahead_line(plan: Plan) -> MemoryLine:
    """Bound what was read and waits for the stages."""
    step = STEP_ROWS * (event_bytes(plan.layout) + 32)
    return MemoryLine(
        "read ahead",
        AHEAD_BYTES + step,
        f"{size_text(AHEAD_BYTES)} + one step of {STEP_ROWS:,} events",
    )


def step_line(plan: Plan) -> MemoryLine:
    """Bound one step in the stages: decoded, put in order, kept; and the buffer it came in."""
    columns, payload = len(plan.layout), event_bytes(plan.layout)
    row = 4 * (8 * columns + 72) + 2 * payload
    return MemoryLine(
        "a step", STEP_ROWS * row,
        f"{STEP_ROWS:,} events × (4 × {8 * columns + 72} B of columns + 2 × {payload} B of "
        "payload)",
    )  # fmt: skip


def waiting_line(plan: Plan) -> MemoryLine:
    """Bound what waits for sinks: they share it, so the slowest one counts."""
    step = STEP_ROWS * (8 * len(plan.layout) + 40 + event_bytes(plan.layout))
    return MemoryLine(
        "waiting for sinks", LANE_BYTES + step,
        f"{size_text(LANE_BYTES)} + one step, shared by {len(plan.sinks)} sinks",
    )  # fmt: skip


def insert_line(plan: Plan) -> MemoryLine:
    """Bound the rows on their way into ClickHouse: gathered once, a frame, an Arrow table."""
    share = 1 - plan.load.tracking_share
    return MemoryLine(
        "an insert", round(3 * LANE_BYTES * share),
        f"3 × {size_text(LANE_BYTES)} × {share:.0%} of the events, stored one by one",
    )  # fmt: skip


def event_bytes(layout: Layout) -> int:
    """Return the longest payload of an event in which every field stands once.

    Fields that the schema does not know may make one longer, up to `feed.max_payload`.
    """
    return sum(_field_bytes(column) for column in layout.columns)


def _field_bytes(column: Column) -> int:
    tag = _varint_bytes(column.number << 3)
    match column.type:
        case FieldType.DOUBLE:
            return tag + 8
        case FieldType.BOOL:
            return tag + 1
        case FieldType.STRING | FieldType.BYTES:
            return tag + _varint_bytes(column.max_bytes) + column.max_bytes
        case FieldType.ENUM:
            return tag + _varint_bytes(max((number for _, number in column.values), default=1))
        case FieldType.UINT32 | FieldType.INT32:
            return tag + 5
        case _:
            return tag + 10


def _varint_bytes(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def season_games(plan: Plan) -> int:
    """Return the games of a season: what a process that is never restarted comes to know."""
    weeks = _weeks(plan.schedule.season_from, plan.schedule.season_to)
    return sum(
        window["games"] * (window.get("weeks") or weeks) * (7 if window["day"] == "daily" else 1)
        for window in plan.schedule.windows
    )


def _weeks(first: str, last: str) -> int:
    """Return the weeks from one day of a year to another, over New Year where it must be.

    >>> _weeks("09-04", "02-15"), _weeks("03-25", "11-05")
    (24, 33)
    """
    start, end = (np.datetime64(f"2001-{day}") for day in (first, last))
    days = int((end - start).astype(int)) + 1
    return -(-(days if days > 0 else days + 365) // 7)


def _has_engine(plan: Plan) -> bool:
    place = plan.deployment.values.get("clickhouse") or {}
    return any(sink.kind == "clickhouse" for sink in plan.sinks) and bool(place.get("embedded"))

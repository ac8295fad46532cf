"""What one step of the pipeline gives to its sinks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.rejects import Rejects


@dataclass(frozen=True, slots=True)
class Odds:
    """Published odds messages (boards), and their price rows.

    A message carries whole markets: a market in it replaces that market of the game. Board arrays
    have shape (boards,); row arrays have shape (rows,) and `board` says whose row it is, rising.

    Attributes:
        game: Interned number of the game.
        sequence: The game's odds sequence, gap-free, from 1.
        number: Place in this partition's odds output, gap-free, from 0.
        cause_sequence: Sequence of the event that caused it (0 for a timer).
        cause_kind: Kind number of that event.
        cause_number: Place of that event in the normalised output.
        event_time, as_of_us: Event time of the cause; recorded time at which the price was cut.
        oldest_ingest_us: Ingest time of the oldest event folded into the price since the last.
        reason: `play`, `score`, `market`, `clock`, `correction`, `final`, `stale_input`,
            `recovered`, `guard:<name>`, `error_rate` or `model_error`, one a board.
        home_score, away_score, period: State at the cut.
        scope, market, side, status: Words of `names`, one a row.
        line: Points given, taken or scored; NaN for moneyline.
        is_main: Whether the row belongs to the market's main line.
        p_fair, p_push, p_booked: Probabilities, rounded to 1e-6.
        decimal_milli: Decimal price in thousandths (1909 = 1.909); 0 where no price is offered.
        p_low, p_high: What `p_fair` lies between, 5 and 95 %; NaN where the model does not say.
    """

    game: NDArray[np.int64]
    sequence: NDArray[np.int64]
    number: NDArray[np.int64]
    cause_sequence: NDArray[np.int64]
    cause_kind: NDArray[np.int64]
    cause_number: NDArray[np.int64]
    event_time: NDArray[np.int64]
    as_of_us: NDArray[np.int64]
    oldest_ingest_us: NDArray[np.int64]
    reason: list[str]
    home_score: NDArray[np.int64]
    away_score: NDArray[np.int64]
    period: NDArray[np.int64]
    board: NDArray[np.int64]
    scope: list[str]
    market: list[str]
    side: list[str]
    status: list[str]
    line: NDArray[np.float64]
    is_main: NDArray[np.bool_]
    p_fair: NDArray[np.float64]
    p_push: NDArray[np.float64]
    p_booked: NDArray[np.float64]
    decimal_milli: NDArray[np.int64]
    p_low: NDArray[np.float64]
    p_high: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of messages."""
        return len(self.game)

    def then(self, later: "Odds") -> "Odds":
        """Return these messages and those that follow them as one."""
        if not len(later) or not len(self):
            return self if len(self) else later
        joined: dict[str, Any] = {}
        for one in fields(self):
            mine, theirs = getattr(self, one.name), getattr(later, one.name)
            if one.name == "board":
                theirs = theirs + len(self)
            both = isinstance(mine, list)
            joined[one.name] = [*mine, *theirs] if both else np.concatenate((mine, theirs))
        return Odds(**joined)

    @staticmethod
    def none() -> "Odds":
        """Return no messages."""
        whole, real, flag = np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_)
        return Odds(
            *(whole,) * 9, [], *(whole,) * 4, *([],) * 4, real, flag, real, real, real, whole,
            real, real,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rollups:
    """Tracking events counted by game and second of recorded time, each row complete.

    Attributes:
        game: Interned number of the game, shape (n,).
        second: Seconds since the epoch.
        number: Place in this partition's rollup output, gap-free, from 0.
        count, total, low, high: Number, sum and extremes of `value`.
    """

    game: NDArray[np.int64]
    second: NDArray[np.int64]
    number: NDArray[np.int64]
    count: NDArray[np.int64]
    total: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.game)

    @staticmethod
    def none() -> "Rollups":
        """Return no rows."""
        whole, real = np.empty(0, np.int64), np.empty(0)
        return Rollups(whole, whole, whole, whole, real, real, real)


@dataclass(frozen=True, slots=True)
class Output:
    """All that one step gives, in the order in which it happened.

    Attributes:
        events: Normalised events in output order (timers included; sinks skip them).
        rollups, odds: See there.
        rejects: One entry a stage.
        games: Names of games by interned number; only ever grows.
        strings: Names of every string column, by column index; only ever grow.
        position: Input position after the last payload of this step.
        until_us: Recorded time reached.
        shadow: What a second model says of the rows of `odds`; never published.
        halt: Whether no market may be open from here on, which those are to be told who price it.
    """

    events: Batch
    rollups: Rollups
    odds: Odds
    rejects: tuple[Rejects, ...]
    games: Sequence[str]
    strings: dict[int, Sequence[str]]
    position: int
    until_us: int
    shadow: Odds = field(default_factory=Odds.none)
    halt: bool = False

"""Published odds as Polars frames: what the files, the partners' log and ClickHouse share."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.ports.output import Odds, Output, Rollups

MICROS = pl.Datetime("us", "UTC")


def boards(output: Output, *, from_number: int = 0) -> pl.DataFrame:
    """Return one row a message, from message `from_number` on, by number."""
    odds = output.odds
    keep = slice(first_board(odds, from_number), None)
    return pl.DataFrame(
        {
            "number": odds.number[keep],
            "game_id": games(output, odds.game[keep]),
            "odds_sequence": odds.sequence[keep],
            "cause_sequence": odds.cause_sequence[keep],
            "cause_kind": odds.cause_kind[keep],
            "cause_number": odds.cause_number[keep],
            "event_time": odds.event_time[keep],
            "as_of": odds.as_of_us[keep],
            "oldest_ingest": odds.oldest_ingest_us[keep],
            "reason": pl.Series(odds.reason[keep], dtype=pl.String),
            "home_score": odds.home_score[keep],
            "away_score": odds.away_score[keep],
            "period": odds.period[keep],
        }
    )


def prices(output: Output, *, from_number: int = 0) -> pl.DataFrame:
    """Return one row a price, of messages `from_number` on; `board` is its row in `boards`.

    `decimal` is the price as the nearest double, null where none is offered. NumPy divides, because
    Polars multiplies by 1/1000: 1910 thousandths would be 1.9100000000000001.
    """
    odds = output.odds
    first = first_board(odds, from_number)
    keep = slice(int(np.searchsorted(odds.board, first)), None)
    milli = odds.decimal_milli[keep]
    return pl.DataFrame(
        {
            "board": odds.board[keep] - first,
            "scope": pl.Series(odds.scope[keep], dtype=pl.String),
            "market": pl.Series(odds.market[keep], dtype=pl.String),
            "side": pl.Series(odds.side[keep], dtype=pl.String),
            "status": pl.Series(odds.status[keep], dtype=pl.String),
            "line": pl.Series(odds.line[keep]).fill_nan(None),
            "is_main": odds.is_main[keep],
            "p_fair": odds.p_fair[keep],
            "p_push": odds.p_push[keep],
            "p_booked": odds.p_booked[keep],
            "p_low": pl.Series(odds.p_low[keep]).fill_nan(None),
            "p_high": pl.Series(odds.p_high[keep]).fill_nan(None),
            "decimal_milli": milli,
            "decimal": pl.Series(np.where(milli > 0, milli / 1000, np.nan)).fill_nan(None),
        }
    )


def joined_odds(parts: Sequence[Odds]) -> Odds:
    """Return the messages of odds that follow each other as one."""
    some = [part for part in parts if len(part)]
    if len(some) <= 1:
        return some[0] if some else Odds.none()
    before = np.cumsum([0, *(len(part) for part in some[:-1])]).tolist()
    some = [replace(part, board=part.board + by) for part, by in zip(some, before, strict=True)]
    return Odds(**_joined(some))


def joined_rollups(parts: Sequence[Rollups]) -> Rollups:
    """Return rollups that follow each other as one."""
    some = [part for part in parts if len(part)]
    return Rollups(**_joined(some)) if some else parts[-1]


def _joined(parts: Sequence[Any]) -> dict[str, Any]:
    """Return every field of parts of one class, end to end."""
    together: dict[str, Any] = {}
    for field in fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], list):
            together[field.name] = list(chain.from_iterable(values))
        else:
            together[field.name] = np.concatenate(values)
    return together


def first_board(odds: Odds, number: int) -> int:
    """Return the first message with this number or a later one."""
    return int(np.searchsorted(odds.number, number))


def starts(odds: Odds, begin: int, *, line: bool) -> list[int]:
    """Return where another market begins in the rows from `begin` on, and their count at the end.

    Rows of one market stand together: same board, scope and market, and with `line` same line.
    """
    board = odds.board[begin:]
    if not len(board):
        return [0]
    differs = board[1:] != board[:-1]
    for words in (odds.scope[begin:], odds.market[begin:]):
        word = np.array(words)
        differs |= word[1:] != word[:-1]
    if line:
        number = np.nan_to_num(odds.line[begin:], nan=np.inf)
        differs |= number[1:] != number[:-1]
    return [0, *(np.flatnonzero(differs) + 1).tolist(), len(board)]


def or_none(values: NDArray[np.float64], shown: NDArray[np.bool_]) -> list[float | None]:
    """Return values as JSON takes them, None where nothing is shown."""
    return [
        value if is_shown else None
        for value, is_shown in zip(values.tolist(), shown.tolist(), strict=True)
    ]


def games(output: Output, game: NDArray[np.int64]) -> pl.Series:
    """Return the names of games by their interned numbers."""
    names = pl.Series(list(output.games), dtype=pl.String)
    return names.gather(pl.Series(game)) if len(game) else pl.Series([], dtype=pl.String)

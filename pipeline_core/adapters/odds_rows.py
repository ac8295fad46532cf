"""Published odds as Polars frames: what the files, the partners' log and ClickHouse share."""

import numpy as np
import polars as pl

from oddspipe.core.ports.output import Odds, Output

MICROS = pl.Datetime("us", "UTC")


def boards(output: Output, *, from_number: int = 0) -> pl.DataFrame:
    """Return one row a message, from message `from_number` on, by number."""
    odds = output.odds
    keep = slice(_first(odds, from_number), None)
    return pl.DataFrame(
        {
            "number": odds.number[keep],
            "game_id": _games(output, odds.game[keep]),
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
    first_board = _first(odds, from_number)
    keep = slice(int(np.searchsorted(odds.board, first_board)), None)
    milli = odds.decimal_milli[keep]
    return pl.DataFrame(
        {
            "board": odds.board[keep] - first_board,
            "scope": pl.Series(odds.scope[keep], dtype=pl.String),
            "market": pl.Series(odds.market[keep], dtype=pl.String),
            "side": pl.Series(odds.side[keep], dtype=pl.String),
            "status": pl.Series(odds.status[keep], dtype=pl.String),
            "line": pl.Series(odds.line[keep]).fill_nan(None),
            "is_main": odds.is_main[keep],
            "p_fair": odds.p_fair[keep],
            "p_push": odds.p_push[keep],
            "p_booked": odds.p_booked[keep],
            "decimal_milli": milli,
            "decimal": pl.Series(np.where(milli > 0, milli / 1000, np.nan)).fill_nan(None),
        }
    )


def _first(odds: Odds, number: int) -> int:
    return int(np.searchsorted(odds.number, number))


def _games(output: Output, game: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.Series:
    names = pl.Series(list(output.games), dtype=pl.String)
    return names.gather(pl.Series(game)) if len(game) else pl.Series([], dtype=pl.String)

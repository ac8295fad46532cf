"""Odds as the messages that partners read: one JSON object a board.

Messages are made of structs, not of frames: a step has a handful of boards, and a frame costs 5 ms
however few rows it has; the structs of a board of 15 prices cost 30 us.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.adapters.odds_rows import first_board, or_none, starts
from oddspipe.core.odds import american_from_decimal, fraction_from_decimal
from oddspipe.core.ports.output import Odds, Output

SCHEMA: Final = "odds.v1"
FORMATS: Final = ("decimal", "american", "fractional")
PRICE_TYPES: Final = {"decimal": float | None, "american": int | None, "fractional": str | None}
TYPES: Final = {
    "settled": "settlement",
    "cancelled": "cancellation",
    "suspended": "suspend",
}
"""What a message is whose markets all have this status."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same in every message of a sport's stream.

    `expires_after_us` is added to the time of the price: after it, the price must not be used.
    `stream` is what the messages are: odds, or what a shadow says, which is for no partner.
    """

    sport: str
    model: str
    model_version: str
    plan: str
    expires_after_us: int
    stream: str = "odds"


class Model(msgspec.Struct, frozen=True):
    """Which model made the price."""

    name: str
    version: str


class MessageCause(msgspec.Struct, frozen=True):
    """The event behind a message."""

    seq: int
    kind: int
    number: int


class Score(msgspec.Struct, frozen=True):
    """The game as the price saw it."""

    home: int
    away: int
    period: int


class MarketLine(msgspec.Struct, frozen=True):
    """One line of a market; `sides` have the formats that the partner takes."""

    scope: str
    market: str
    line: float | None
    main: bool
    status: str
    sides: list[Any]


class Message(msgspec.Struct, frozen=True):
    """One board as a partner reads it; the fields in the order of its JSON."""

    schema: str
    stream: str
    id: str
    type: str
    game: str
    seq: int
    number: int
    source_event_at: str
    received_at: str
    as_of: str
    published_at: str
    expires_at: str
    model: Model
    plan: str
    cause: MessageCause
    reason: str
    score: Score
    markets: list[MarketLine]


def messages(
    output: Output, origin: Origin, formats: tuple[str, ...], *, from_number: int = 0
) -> bytes:
    """Encode messages `from_number` on as JSON, one a line, in the given price formats.

    The same board gives the same bytes: times are recorded times, numbers are rounded already, and
    keys have a fixed order. `published_at` is the recorded time of the price for the same reason.
    """
    odds = output.odds
    first = first_board(odds, from_number)
    if first == len(odds):
        return b""
    markets = _markets(odds, first, formats)
    model = Model(origin.model, origin.model_version)
    stream = f"{origin.sport}.{origin.stream}"
    heads = zip(
        _listed(odds, first, ("game", "sequence", "number")),
        _times(odds, first, origin.expires_after_us),
        map(MessageCause, *_columns(odds, first, ("cause_sequence", "cause_kind", "cause_number"))),
        odds.reason[first:],
        map(Score, *_columns(odds, first, ("home_score", "away_score", "period"))),
        markets,
        strict=True,
    )
    made = []
    for (game, sequence, number), times, cause, reason, score, lines in heads:
        name = output.games[game]
        source_event_at, received_at, as_of, expires_at = times
        made.append(
            Message(
                SCHEMA, stream, f"{origin.sport}:{name}:{sequence}", _type(lines, sequence), name,
                sequence, number, source_event_at, received_at, as_of, as_of, expires_at, model,
                origin.plan, cause, reason, score, lines,
            )
        )  # fmt: skip
    return msgspec.json.Encoder().encode_lines(made)


def _columns(odds: Odds, first: int, names: tuple[str, ...]) -> list[list[int]]:
    return [getattr(odds, name)[first:].tolist() for name in names]


def _listed(odds: Odds, first: int, names: tuple[str, ...]) -> list[tuple[int, ...]]:
    return list(zip(*_columns(odds, first, names), strict=True))


def _times(odds: Odds, first: int, expires_after_us: int) -> list[tuple[str, ...]]:
    as_of = odds.as_of_us[first:]
    columns = (
        odds.event_time[first:],
        odds.oldest_ingest_us[first:],
        as_of,
        as_of + expires_after_us,
    )
    return list(zip(*map(_iso, columns), strict=True))


def _iso(micros: NDArray[np.int64]) -> list[str]:
    moments = micros.astype("datetime64[us]")
    written: list[str] = np.datetime_as_string(moments, unit="us", timezone="UTC").tolist()
    return written


def _type(lines: Sequence[MarketLine], sequence: int) -> str:
    """Say what a message is by the states of its markets.

    The first of a game is a snapshot; all suspended is a bet stop; all settled a settlement.
    """
    statuses = {line.status for line in lines}
    usual = "snapshot" if sequence == 1 else "odds_change"
    return TYPES.get(statuses.pop(), usual) if len(statuses) == 1 else usual


def _markets(odds: Odds, first: int, formats: tuple[str, ...]) -> list[list[MarketLine]]:
    """Return the lines of each board; a line is where board, scope, market or line changes."""
    begin = int(np.searchsorted(odds.board, first))
    sides = _sides(odds, begin, formats)
    line = odds.line[begin:]
    at = starts(odds, begin, line=True)
    of_board = (odds.board[begin:] - first).tolist()
    numbers = or_none(line, ~np.isnan(line))
    is_main = odds.is_main[begin:].tolist()
    found: list[list[MarketLine]] = [[] for _ in range(len(odds) - first)]
    for start, stop in pairwise(at):
        row = begin + start
        found[of_board[start]].append(
            MarketLine(
                odds.scope[row],
                odds.market[row],
                numbers[start],
                is_main[start],
                odds.status[row],
                sides[start:stop],
            )
        )
    return found


def _sides(odds: Odds, begin: int, formats: tuple[str, ...]) -> list[Any]:
    side = _side(formats)
    prices = [_written(milli, formats) for milli in odds.decimal_milli[begin:].tolist()]
    return list(
        map(
            side,
            odds.side[begin:],
            odds.p_fair[begin:].tolist(),
            odds.p_push[begin:].tolist(),
            odds.p_booked[begin:].tolist(),
            or_none(odds.p_low[begin:], ~np.isnan(odds.p_low[begin:])),
            or_none(odds.p_high[begin:], ~np.isnan(odds.p_high[begin:])),
            *zip(*prices, strict=True),
        )
    )


@lru_cache(maxsize=8)
def _side(formats: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return the struct of one side's price: a field a format, null where none is offered."""
    interval = [("low", float | None), ("high", float | None)]
    probabilities = [("fair", float), ("push", float), ("booked", float), *interval]
    prices = [(name, PRICE_TYPES[name]) for name in formats]
    return msgspec.defstruct("SidePrice", [("side", str), *probabilities, *prices], frozen=True)


@lru_cache(maxsize=16_384)
def _written(milli: int, formats: tuple[str, ...]) -> tuple[float | int | str | None, ...]:
    """Return a price in some formats; prices stand on a ladder, so there are a few hundred."""
    if not milli:
        return (None,) * len(formats)
    made: dict[str, float | int | str] = {
        "decimal": milli / 1000,
        "american": int(american_from_decimal(milli)),
        "fractional": fraction_from_decimal(milli),
    }
    return tuple(made[name] for name in formats)

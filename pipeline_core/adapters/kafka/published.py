"""Odds read back from their topic, as what sinks take."""

from collections.abc import Sequence

import msgspec
import numpy as np

from oddspipe.core.adapters.partner_messages import MessageCause, Score
from oddspipe.core.batch.batch import Batch
from oddspipe.core.errors import StateError
from oddspipe.core.ports.output import Odds, Output, Rollups


class PublishedSide(msgspec.Struct, frozen=True):
    """One side of a line, of which the decimal price is read; other formats say the same."""

    side: str
    fair: float
    push: float
    booked: float
    decimal: float | None
    low: float | None = None
    high: float | None = None


class PublishedLine(msgspec.Struct, frozen=True):
    """One line of a market."""

    scope: str
    market: str
    line: float | None
    main: bool
    status: str
    sides: list[PublishedSide]


class Published(msgspec.Struct, frozen=True):
    """What is read of a message of the odds topic; the rest of it decides nothing here."""

    game: str
    seq: int
    number: int
    source_event_at: str
    received_at: str
    as_of: str
    plan: str
    cause: MessageCause
    reason: str
    score: Score
    markets: list[PublishedLine]


_DECODER = msgspec.json.Decoder(Published)


def read_message(value: bytes, where: str) -> Published:
    """Return a message.

    Raises:
        StateError: It is none of ours.
    """
    try:
        return _DECODER.decode(value)
    except msgspec.DecodeError as error:
        raise StateError(
            f"kafka: {where} is no odds message of oddspipe: {error}",
            hint="Does something else write to this topic?",
        ) from error


def output_of(messages: Sequence[Published]) -> Output:
    """Return an output with the odds of these messages and nothing else."""
    games = list(dict.fromkeys(one.game for one in messages))
    numbers = {name: at for at, name in enumerate(games)}
    lines = [(board, line) for board, one in enumerate(messages) for line in one.markets]
    rows = [(board, line, side) for board, line in lines for side in line.sides]

    def whole(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(values, np.int64)

    def real(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(values, np.float64)

    odds = Odds(
        game=whole([numbers[one.game] for one in messages]),
        sequence=whole([one.seq for one in messages]),
        number=whole([one.number for one in messages]),
        cause_sequence=whole([one.cause.seq for one in messages]),
        cause_kind=whole([one.cause.kind for one in messages]),
        cause_number=whole([one.cause.number for one in messages]),
        event_time=_micros([one.source_event_at for one in messages]),
        as_of_us=_micros([one.as_of for one in messages]),
        oldest_ingest_us=_micros([one.received_at for one in messages]),
        reason=[one.reason for one in messages],
        home_score=whole([one.score.home for one in messages]),
        away_score=whole([one.score.away for one in messages]),
        period=whole([one.score.period for one in messages]),
        board=whole([board for board, _, _ in rows]),
        scope=[line.scope for _, line, _ in rows],
        market=[line.market for _, line, _ in rows],
        side=[side.side for _, _, side in rows],
        status=[line.status for _, line, _ in rows],
        line=real([np.nan if line.line is None else line.line for _, line, _ in rows]),
        is_main=np.array([line.main for _, line, _ in rows], np.bool_),
        p_fair=real([side.fair for _, _, side in rows]),
        p_push=real([side.push for _, _, side in rows]),
        p_booked=real([side.booked for _, _, side in rows]),
        p_low=real([np.nan if side.low is None else side.low for _, _, side in rows]),
        p_high=real([np.nan if side.high is None else side.high for _, _, side in rows]),
        decimal_milli=whole([round(1000 * (side.decimal or 0.0)) for _, _, side in rows]),
    )
    until = int(odds.as_of_us.max()) if len(messages) else 0
    return Output(_no_events(), Rollups.none(), odds, (), games, {}, 0, until)


def _micros(texts: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([text.removesuffix("Z") for text in texts], "datetime64[us]").astype(np.int64)


def _no_events() -> Batch:
    whole = np.empty(0, np.int64)
    return Batch(
        np.empty((0, 0), np.int64), np.empty(0, np.uint64), np.empty((2, 0), np.uint64),
        np.empty(0, np.uint8), whole, np.empty(0, np.uint8), whole, whole, whole,
    )  # fmt: skip

"""One odds message, from which the pages read off the fields that are written."""

import numpy as np

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import Layout, envelope
from oddspipe.core.names import Kind
from oddspipe.core.ports.output import Odds, Output, Rollups

LAYOUT = Layout(envelope(tuple((kind.name.lower(), kind.value) for kind in Kind)))
"""The envelope without fields of a sport's own."""
NO_NUMBERS = np.empty(0, np.int64)
NO_VALUES = np.empty(0, np.float64)
AT_US = 1_725_814_800_000_000
"""2024-09-08 17:00 UTC: an NFL Sunday's first kick-off."""


def _numbers(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def output() -> Output:
    """Return an output with one board: moneyline and spread of one game, and nothing else."""
    odds = Odds(
        game=_numbers(0),
        sequence=_numbers(12),
        number=_numbers(40),
        cause_sequence=_numbers(31),
        cause_kind=_numbers(Kind.SCORE),
        cause_number=_numbers(180),
        event_time=_numbers(AT_US),
        as_of_us=_numbers(AT_US + 40_000),
        oldest_ingest_us=_numbers(AT_US + 20_000),
        reason=["score"],
        home_score=_numbers(7),
        away_score=_numbers(0),
        period=_numbers(1),
        board=_numbers(0, 0, 0, 0),
        scope=["game"] * 4,
        market=["moneyline", "moneyline", "spread", "spread"],
        side=["home", "away", "home", "away"],
        status=["open"] * 4,
        line=np.array([np.nan, np.nan, -6.5, -6.5]),
        is_main=np.ones(4, np.bool_),
        p_fair=np.array([0.72, 0.28, 0.497, 0.503]),
        p_push=np.array([0.001, 0.001, 0.0, 0.0]),
        p_booked=np.array([0.746269, 0.298507, 0.520833, 0.526316]),
        decimal_milli=_numbers(1340, 3350, 1920, 1900),
        p_low=np.array([0.684, 0.248, 0.459, 0.465]),
        p_high=np.array([0.752, 0.316, 0.535, 0.541]),
    )
    rollups = Rollups(*(NO_NUMBERS,) * 4, *(NO_VALUES,) * 3)
    strings = dict.fromkeys(range(len(LAYOUT)), ("BUF_KC",))
    no_events = Batch(
        np.empty((len(LAYOUT), 0), np.int64),
        np.empty(0, np.uint64),
        np.empty((2, 0), np.uint64),
        np.empty(0, np.uint8),
        NO_NUMBERS,
        np.empty(0, np.uint8),
        *(NO_NUMBERS,) * 3,
    )
    return Output(no_events, rollups, odds, (), ("BUF_KC",), strings, position=181, until_us=AT_US)

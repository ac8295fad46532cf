"""Recorded games through the stages of a run, with a look at what the model was asked."""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import polars as pl

from oddspipe.core.adapters.odds_rows import boards, prices
from oddspipe.core.adapters.recorded import Selection
from oddspipe.core.adapters.replay import replay_of
from oddspipe.core.assemble_models import model_of, ratings_of
from oddspipe.core.backtest.forecasts import Forecasts
from oddspipe.core.backtest.recorded import Recorded
from oddspipe.core.errors import RunError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.feed import STEP_ROWS
from oddspipe.core.runtime.watchdog import WatchedModel


class Priors(StrEnum):
    """What is known before a game."""

    ALL = "all"
    RATING = "rating"
    CLOSING = "closing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Played:
    """What recorded games came to.

    Attributes:
        rows: A row of the recording each, with its forecast; see `Forecasts` and `Recorded`.
        odds: Published prices of main lines: `game_id`, `cause_sequence`, `market`, `side`,
            `line`, `decimal`, `p_push`.
        events, rejected: Events that the stages took, and how many they refused.
        published: Odds messages.
    """

    rows: pl.DataFrame
    odds: pl.DataFrame
    events: int
    rejected: int
    published: int


def play(
    plan: Plan, data: Path, seasons: tuple[int, ...], priors: Priors, games: int | None = None
) -> Played:
    """Put the recorded games of some seasons through the stages.

    Args:
        plan: What runs.
        data: Folder of recorded games.
        seasons: Years in which the seasons began; none for all.
        priors: Which market events of the recording are shown to the pipeline.
        games: How many games of each season; None for all.

    Raises:
        RunError: There is nothing to replay, or it cannot be read.
        PluginError: The model cannot be made, or hung.
    """
    plan = knowing(plan, priors)
    parts = [_season(plan, data, Selection(games, season=season)) for season in seasons or (None,)]
    return Played(
        pl.concat([part.rows for part in parts]),
        pl.concat([part.odds for part in parts]),
        sum(part.events for part in parts),
        sum(part.rejected for part in parts),
        sum(part.published for part in parts),
    )


def knowing(plan: Plan, priors: Priors) -> Plan:
    """Return the plan with those market events of its recording that are to be shown.

    Raises:
        RunError: The spec says nothing of recorded games.
    """
    recording = plan.feed.recording
    if recording is None:
        raise RunError(
            f"{plan.sport} has no recorded games", hint="Add `feed.recording` to the spec."
        )
    shown = {None, str(priors)} if priors is not Priors.ALL else {None, "rating", "closing"}
    events = tuple(event for event in recording.events if event.prior in shown)
    return replace(plan, feed=replace(plan.feed, recording=replace(recording, events=events)))


def _season(plan: Plan, data: Path, selection: Selection) -> Played:
    recording = plan.feed.recording
    assert recording is not None  # noqa: S101 - `knowing` has seen to it
    recorded = Recorded(plan, recording, data)
    source = replay_of(plan, data, None, selection, rate=ratings_of(plan), watch=recorded)
    model = model_of(plan)
    forecasts = Forecasts(plan, model, recorded)
    chain = PartitionChain(plan, WatchedModel(model), forecasts)
    forecasts.knows(lambda: chain.games)
    odds: list[pl.DataFrame] = []
    published = 0
    source.open(0)
    try:
        while (payloads := source.poll(0)) is not None:
            for start in range(0, len(payloads), STEP_ROWS):
                part = payloads.part(start, min(start + STEP_ROWS, len(payloads)))
                for output in chain.steps(part):
                    published += len(output.odds)
                    odds.append(_main_lines(output))
    finally:
        source.close()
    made = forecasts.frame()
    if made.is_empty():
        raise RunError(f"{plan.sport}: no event of the recording was priced")
    rows = recorded.rows().join(
        made, on=["game_id", "event_sequence"], how="left", maintain_order="left"
    )
    rejected = sum(sum(account.rejected.values()) for account in chain.accounts)
    return Played(rows, pl.concat(odds), chain.accounts[0].taken, rejected, published)


def _main_lines(output: Output) -> pl.DataFrame:
    """Return the open prices of main lines of the whole game."""
    messages = boards(output).with_row_index("board").with_columns(pl.col("board").cast(pl.Int64))
    rows = prices(output).filter(
        (pl.col("scope") == "game") & pl.col("is_main") & (pl.col("status") == "open")
    )
    return rows.join(
        messages.select("board", "game_id", "cause_sequence", "odds_sequence"), on="board"
    ).select(
        "game_id", "cause_sequence", "odds_sequence", "market", "side", "line", "decimal", "p_push"
    )

"""A back-test from its settings to its report, and the file of its forecasts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from oddspipe.core.backtest.intervals import covered, widths
from oddspipe.core.backtest.money import closing_value, hold, paired
from oddspipe.core.backtest.run import Played, Priors, play
from oddspipe.core.backtest.scores import home_chance, scored, scores
from oddspipe.core.errors import PluginError, RunError, UsageError
from oddspipe.core.parts import ModelPlan
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.registry import load_model

CLOSING = "closing"
PREDICTED = (
    "p_home", "p_tie", "margin_mean", "margin_median", "total_mean", "total_median",
    "p_over_main", "main_total", "p_over_close", "p_home_minus_1_5", "p_away_minus_1_5",
    "p_home_low", "p_home_high", "p_over_close_low", "p_over_close_high",
)  # fmt: skip
"""Columns of forecasts in the predictions file, behind `game_id`, `sequence`, `event_time`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is back-tested.

    Attributes:
        data: Folder of recorded games.
        seasons: Years in which the seasons began; none for all.
        games: How many games of each season; None for all.
        priors: What is known before the games.
        against: `closing`, a file of other forecasts, or a model as `NAME` or
            `NAME@key=value,…`; None to compare with nothing.
    """

    data: Path
    seasons: tuple[int, ...] = ()
    games: int | None = None
    priors: Priors = Priors.ALL
    against: str | None = None


def with_model(plan: Plan, name: str, parameters: Mapping[str, Any]) -> Plan:
    """Return the plan with another model, or with other parameters of its own.

    Markets of scopes that the model does not price are left out.

    Raises:
        PluginError: There is no such model, or its parameters do not fit.
        UsageError: It reads what the sport's state does not give.
    """
    model = load_model(name)
    try:
        given = model.Parameters.model_validate(dict(parameters)).model_dump(mode="json")
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
        )
        raise PluginError(
            f"model {name!r} does not take these parameters: {told}",
            hint="`oddspipe list models` shows what it takes.",
        ) from error
    there = {one.name for one in plan.state} | {one.name for one in plan.derived}
    if lacking := sorted(set(model.inputs) - there):
        raise UsageError(
            f"model {name!r} reads {', '.join(lacking)}, which the state of {plan.sport} does not "
            f"give",
            hint="Add the columns under `state` of the spec.",
        )
    made = ModelPlan(name, model.version, given, tuple(model.scopes), tuple(model.inputs))
    markets = tuple(market for market in plan.odds.markets if market.scope in model.scopes)
    return replace(plan, model=made, odds=replace(plan.odds, markets=markets))


def back_test(plan: Plan, settings: Settings) -> tuple[dict[str, Any], Played]:
    """Replay, score and compare; return the report as JSON values, and what was replayed.

    Raises:
        OddspipeError: There is nothing to replay, or the other forecasts cannot be read.
    """
    other = _other(plan, settings)
    played = play(plan, settings.data, settings.seasons, settings.priors, settings.games)
    rows = played.rows
    if scored(rows).is_empty():
        raise RunError(
            "none of these rows is scored: see `feed.recording.scoring.where` of the spec",
            hint="Games need a game_end event with both scores, too.",
        )
    report = {
        "sport": plan.sport,
        "model": {"name": plan.model.name, "version": plan.model.version,
                  "parameters": plan.model.parameters},
        "plan": plan.logic_digest,
        "prior": str(settings.priors),
        "seasons": list(settings.seasons),
        "games": rows["game_id"].n_unique(),
        "rows": rows.height,
        "without_forecast": rows["p_home"].null_count(),
        "events": played.events,
        "rejected": played.rejected,
        "odds_messages": played.published,
        "scores": scores(rows),
        "interval": widths(scored(rows)),
        "hold": hold(played.odds, rows),
        "closing_value": closing_value(played.odds, rows),
        "against": _compared(rows, settings.against, other),
    }  # fmt: skip
    return report, played


def predicted(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row a row of the recording, null where there is no forecast."""
    return rows.select(
        "game_id",
        pl.col("sequence").cast(pl.Int64),
        pl.col("event_time").cast(pl.Datetime("us", "UTC")),
        *(pl.col(name).cast(pl.Float64).fill_nan(None) for name in PREDICTED),
    )


def model_named(plan: Plan, text: str) -> Plan:
    """Return the plan with the model that `NAME` or `NAME@key=value,…` says.

    Parameters that are left out are the model's own defaults.

    Raises:
        PluginError: There is no such model, or its parameters do not fit.
        UsageError: It is not written so, or reads what the state does not give.
    """
    name, _, rest = text.partition("@")
    parameters = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(
                f"{text!r}: {pair!r} is not key=value",
                hint="For example nfl@home_edge=1.5,total_mean=44.",
            )
        parameters[key.strip()] = value.strip()
    return with_model(plan, name, parameters)


def _other(plan: Plan, settings: Settings) -> pl.DataFrame | None:
    """Return the other chance of home by game and row; None for none, or the market's."""
    against = settings.against
    if against is None or against == CLOSING:
        return None
    if not Path(against).is_file() and not against.endswith(".parquet"):
        other = model_named(plan, against)
        rows = play(other, settings.data, settings.seasons, settings.priors, settings.games).rows
        rows = rows.filter(pl.col("p_home").is_not_null())
        return rows.select("game_id", "sequence", other=pl.Series(home_chance(rows)))
    try:
        frame = pl.read_parquet(against)
    except (OSError, pl.exceptions.PolarsError) as error:
        said = str(error).strip().split("\n", 1)[0]
        raise UsageError(
            f"--against {against}: cannot be read: {said}",
            hint="Name a Parquet file of forecasts, as --predictions writes it, or `closing`.",
        ) from error
    missing = [name for name in ("game_id", "sequence", "p_home") if name not in frame.columns]
    if missing:
        raise UsageError(
            f"--against {against}: no column {', '.join(missing)}",
            hint="It needs game_id, sequence and p_home, as --predictions writes them.",
        )
    tie = pl.col("p_tie").fill_null(0.0) if "p_tie" in frame.columns else pl.lit(0.0)
    return frame.select(
        pl.col("game_id").cast(pl.String),
        pl.col("sequence").cast(pl.Int64),
        (pl.col("p_home") / (1.0 - tie)).cast(pl.Float64).alias("other"),
    )


def _compared(
    rows: pl.DataFrame, against: str | None, other: pl.DataFrame | None
) -> dict[str, Any] | None:
    """Compare our chance of home with that of the market or of other forecasts."""
    if against is None:
        return None
    decided = scored(rows).filter(pl.col("home") != pl.col("away"))
    if other is None:
        # The market closes before the game: what is compared is the first row of each.
        first = decided.drop_nulls("closing_home").unique(
            "game_id", keep="first", maintain_order=True
        )
        if first.is_empty():
            raise RunError(
                "--against closing: the recording has no closing chance of home",
                hint="See `feed.recording.scoring.closing` of the spec.",
            )
        return {"name": "the closing market, at the first row of each game",
                **paired(first, first["closing_home"]),
                "covered": covered(first, first["closing_home"])}  # fmt: skip
    joined = decided.join(other, on=["game_id", "sequence"], how="inner", maintain_order="left")
    joined = joined.filter(pl.col("other").is_not_null() & pl.col("other").is_not_nan())
    if joined.is_empty():
        raise UsageError(f"--against {against}: it has no forecast of any row that is scored")
    segments = [
        {
            "name": name,
            **paired(part, part["other"]),
            "covered": covered(part, part["other"]),
        }
        for name in joined["segment"].unique(maintain_order=True).drop_nulls().to_list()
        for part in [joined.filter(pl.col("segment") == name)]
    ]
    return {
        "name": Path(str(against)).name,
        **paired(joined, joined["other"]),
        "covered": covered(joined, joined["other"]),
        "segments": segments,
    }


def example(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the game whose chance of home moved most, for a picture of it."""
    there = scored(rows).with_columns(chance=pl.Series(home_chance(scored(rows))))
    moved = there.group_by("game_id").agg(
        (pl.col("chance").diff().fill_null(0.0) ** 2).sum().alias("moved")
    )
    game = moved.sort("moved", "game_id", descending=[True, False])["game_id"][0]
    return there.filter(pl.col("game_id") == game)

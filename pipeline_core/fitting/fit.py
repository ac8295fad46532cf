"""Fit a model, and score each season by a fit that has not seen it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe import __version__
from oddspipe.core.backtest.forecasts import above, below, median
from oddspipe.core.backtest.scores import BINS, log_loss, tenth
from oddspipe.core.errors import OddspipeError, PluginError, UsageError
from oddspipe.core.fitting.seasons import SEASON, Seasons, seasons_of
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.fitting import Ends, Fitting
from oddspipe.core.ports.model import GameStates
from oddspipe.core.ports.registry import load_fitting

Reals = NDArray[np.float64]
STRIDE = 20_000
"""States that are priced at once."""
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What was said of states, and how their games ended; one entry a state.

    Attributes:
        chance: That home wins, given that somebody does.
        margin, total: Medians; each whole number counts as spread over the unit round it.
        ends: Final points.
    """

    chance: Reals
    margin: Reals
    total: Reals
    ends: Ends

    def scores(self) -> dict[str, float]:
        """Return the scores; who wins leaves games that ended level out, and is absent of none."""
        margin, total = self.ends.home - self.ends.away, self.ends.home + self.ends.away
        decided = margin != 0
        won = (margin > 0)[decided].astype(np.float64)
        return {
            **(win_scores(self.chance[decided], won) if len(won) else {}),
            "mae_margin": round(float(np.abs(self.margin - margin).mean()), 4),
            "mae_total": round(float(np.abs(self.total - total).mean()), 4),
        }


@dataclass(slots=True)
class HeldOut:
    """Scores of seasons by fits without them.

    Attributes:
        scores: Of all of them together; empty where there is none.
        seasons: Of each season.
        left_out: Why a season has none.
    """

    scores: dict[str, float] = field(default_factory=dict)
    seasons: dict[str, dict[str, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def fit_of(plan: Plan, data: Path, years: Sequence[int]) -> "Fit":
    """Return the fit of a plan's model to recorded seasons; none is made yet.

    Args:
        plan: Whose model and recording.
        data: Folder of recorded games.
        years: Which seasons; none for all.

    Raises:
        UsageError: The model offers no fit, or the games cannot be read or are too few.
        PluginError: The model is at fault.
    """
    name = plan.model.name
    fitting = load_fitting(name)
    return Fit(name, fitting, seasons_of(plan, data, years, fitting.columns))


class Fit:
    """A model on its way to parameters.

    Args:
        name: Of the model.
        fitting: What it offers.
        seasons: Recorded games.
    """

    def __init__(self, name: str, fitting: Fitting, seasons: Seasons) -> None:
        """Make the rows ready.

        Raises:
            UsageError: They are too few.
            PluginError: The model's own code fails on them.
        """
        self._name, self._fitting, self._seasons = name, fitting, seasons
        self._rows = self._asked("ready", lambda: fitting.ready(seasons.rows))
        self.years = seasons.years
        self.games = self._rows[seasons.game].n_unique()
        if self.games < fitting.least_games:
            there = seasons.rows[seasons.game].n_unique()
            kept = f" ({there} recorded)" if there != self.games else ""
            raise UsageError(
                f"too few games: {self.games} of {_listed(seasons.years)} can be fitted{kept}, and "
                f"model {name!r} wants {fitting.least_games} or more",
                hint="Name more seasons, or leave --seasons away to take all that there are.",
            )

    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters of all seasons."""
        return self._fitted(self._rows)

    def held_out(
        self, years: Sequence[int], told: Callable[[int, Mapping[str, float]], None]
    ) -> HeldOut:
        """Score seasons, each by a fit on all the others.

        Args:
            years: Which seasons.
            told: Is told of each season when it is done.
        """
        made, parts = HeldOut(), []
        for year in self._seasons.years:
            if year not in years:
                made.left_out[str(year)] = "not asked for"
                continue
            here = self._rows.filter(pl.col(SEASON) == year)
            others = self._rows.filter(pl.col(SEASON) != year)
            games = others[self._seasons.game].n_unique()
            if here.is_empty() or games < self._fitting.least_games:
                made.left_out[str(year)] = (
                    f"the other seasons have {games} games" if here.height else "no row is scored"
                )
                continue
            parts.append(self.forecasts(self._fitted(others), here))
            made.seasons[str(year)] = scores = parts[-1].scores()
            told(year, scores)
        if parts:
            made.scores = _together(parts).scores()
        return made

    def provenance(self) -> dict[str, Any]:
        """Return what the rows are: model, program, seasons, files."""
        return {
            "model": self._name,
            "made_by": f"oddspipe {__version__}",
            "seasons": list(self._seasons.years),
            "games": self.games,
            "rows": self._rows.height,
            "data_sha256": dict(self._seasons.files),
            "credit": self._fitting.credit,
        }

    def forecasts(self, parameters: Mapping[str, Any], rows: pl.DataFrame) -> Forecasts:
        """Return what the model says of some rows."""
        model = self._asked("model", lambda: self._fitting.model(parameters))
        parts: list[tuple[Reals, Reals, Reals]] = []
        for start in range(0, rows.height, STRIDE):
            states = self._asked("states", partial(self._fitting.states, rows.slice(start, STRIDE)))
            parts.append(self._asked("price", partial(_said, model, states)))
        chance, margin, total = (np.concatenate(one) for one in zip(*parts, strict=True))
        ends = self._asked("ends", lambda: self._fitting.ends(rows))
        return Forecasts(chance, margin, total, ends)

    def document(
        self, parameters: Mapping[str, Any], held_out: HeldOut, day: str | None = None
    ) -> dict[str, Any]:
        """Return what is kept; `day` is that of the newest game where it is left out."""
        scores = {"held_out": held_out.scores, "held_out_by_season": held_out.seasons}
        return {
            "provenance": {**self.provenance(), "date": day or self._seasons.newest, **scores},
            "parameters": dict(parameters),
        }

    def _fitted(self, rows: pl.DataFrame) -> Mapping[str, Any]:
        return self._asked("fit", lambda: self._fitting.fit(rows))

    def _asked(self, what: str, call: Callable[[], Made]) -> Made:
        """Call into the model's package; what it raises but for our errors is its own fault."""
        try:
            return call()
        except OddspipeError:
            raise
        except Exception as error:
            raise PluginError(
                f"the fit of model {self._name!r} failed in {what}(): {type(error).__name__}: "
                f"{error}",
                hint="The rows are not as it expects: see what its `columns` hold, or mend it.",
            ) from error


def _said(model: Any, states: GameStates) -> tuple[Reals, Reals, Reals]:  # noqa: ANN401 - a guest's
    scores = model.price(states)["game"]
    margin = scores.margin()
    level = np.zeros(len(margin.first))
    home, away = above(margin, level), below(margin, level)
    return home / np.maximum(home + away, 1e-12), median(margin), median(scores.total())


def _together(parts: Sequence[Forecasts]) -> Forecasts:
    chance, margin, total, home, away = (
        np.concatenate(one)
        for one in zip(*((p.chance, p.margin, p.total, *p.ends) for p in parts), strict=True)
    )
    return Forecasts(chance, margin, total, Ends(home, away))


def win_scores(chance: Reals, won: Reals) -> dict[str, float]:
    """Return Brier score, log loss (clipped at 1e-4) and calibration error by tenths.

    >>> win_scores(np.array([0.8, 0.3]), np.array([1.0, 0.0]))
    {'brier': 0.065, 'log_loss': 0.28991, 'ece': 0.25}
    """
    bins = tenth(chance)
    off = [
        abs(chance[bins == k].mean() - won[bins == k].mean()) * (bins == k).mean()
        for k in range(BINS)
        if (bins == k).any()
    ]
    return {
        "brier": round(float(np.mean((chance - won) ** 2)), 5),
        "log_loss": round(float(log_loss(chance, won).mean()), 5),
        "ece": round(float(sum(off)), 5),
    }


def _listed(years: Sequence[int]) -> str:
    word = "season" if len(years) == 1 else "seasons"
    return f"{word} {', '.join(map(str, years))}"

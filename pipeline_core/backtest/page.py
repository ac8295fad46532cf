"""The report of a back-test as one page that needs nothing else: text, tables and drawings."""

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from oddspipe.core.backtest.report import example
from oddspipe.core.backtest.scores import home_chance, scored
from oddspipe.core.errors import UsageError
from oddspipe.core.render.templates import rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _GREY, _RED = "#1f5fa8", "#8a8f98", "#b3372f"
_STYLE = {
    "font.family": "sans-serif", "font.size": 11, "svg.fonttype": "none",
    "svg.hashsalt": "oddspipe", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#e6e8eb", "axes.edgecolor": _GREY,
    "axes.axisbelow": True, "figure.facecolor": "none",
    "axes.facecolor": "none",
}  # fmt: skip


def drawing() -> Any:  # noqa: ANN401 - a module
    """Return Matplotlib.

    Raises:
        UsageError: It is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra's
    except ImportError as missing:
        raise UsageError(
            "--html draws with Matplotlib, which is not installed",
            hint="pip install 'oddspipe-framework[report]'",
        ) from missing
    mpl.use("svg")
    return mpl


def page_of(report: Mapping[str, Any], rows: pl.DataFrame) -> str:
    """Return the page of a report.

    Args:
        report: What `back_test` returned.
        rows: The rows with their forecasts, for the pictures that the numbers do not give.
    """
    decided = scored(rows).filter(pl.col("home") != pl.col("away"))
    pictures = {
        "reliability": _drawn(lambda axes: _reliability(axes, report)),
        "segments": _drawn(lambda axes: _segments(axes, report)),
        "forecasts": _drawn(lambda axes: _forecasts(axes, decided)),
        "errors": _drawn(lambda axes: _errors(axes, scored(rows))),
        "game": _drawn(lambda axes: _game(axes, example(decided)), (11.0, 3.6)),
    }
    game = example(decided)
    ends = game.row(0, named=True)
    final = f"{game['game_id'][0]}, which ended {ends['home']:.0f} to {ends['away']:.0f}"
    return rendered("backtest.html.j2", {"report": report, "pictures": pictures, "final": final})


def _drawn(draw: Callable[["Axes"], None], size: tuple[float, float] = (6.4, 4.0)) -> str:
    """Return a drawing as SVG to stand in a page."""
    mpl = drawing()
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def _reliability(axes: "Axes", report: Mapping[str, Any]) -> None:
    found = report["scores"]["home_wins"]["reliability"]
    said = [one["forecast"] for one in found]
    came = np.array([[one["came"][key] for key in ("value", "low", "high")] for one in found])
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    off = np.abs(came[:, 1:].T - came[:, 0])
    axes.errorbar(said, came[:, 0], yerr=off, color=_BLUE, marker="o", capsize=3, linewidth=1.5)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="forecast chance of home", ylabel="share that came")


def _segments(axes: "Axes", report: Mapping[str, Any]) -> None:
    found = report["scores"]["home_wins"]["segments"]
    names = [one["name"] for one in found][::-1]
    values = np.array([[one["brier"][key] for key in ("value", "low", "high")] for one in found])
    values = values[::-1]
    off = np.abs(values[:, 1:].T - values[:, 0])
    axes.barh(names, values[:, 0], color=_BLUE, height=0.6, xerr=off, ecolor="#444", capsize=3)
    axes.set(xlabel="Brier score of home wins, 95 % interval")
    axes.grid(visible=False, axis="y")


def _forecasts(axes: "Axes", decided: pl.DataFrame) -> None:
    chance = home_chance(decided)
    won = (decided["home"] > decided["away"]).to_numpy()
    bins = np.linspace(0, 1, 41).tolist()
    axes.hist([chance[won], chance[~won]], bins=bins, stacked=True, color=[_BLUE, _RED],
              label=["home won", "away won"])  # fmt: skip
    axes.legend(frameon=False)
    axes.set(xlabel="forecast chance of home", ylabel="rows")


def _errors(axes: "Axes", rows: pl.DataFrame) -> None:
    names = rows["segment"].unique(maintain_order=True).drop_nulls().to_list()
    off = rows.with_columns(
        margin=(pl.col("margin_median") - (pl.col("home") - pl.col("away"))).abs(),
        total=(pl.col("total_median") - (pl.col("home") + pl.col("away"))).abs(),
    )
    means = {name: off.filter(pl.col("segment") == name) for name in names[::-1]}
    place = np.arange(len(names))
    for by, (what, color) in enumerate((("total", _GREY), ("margin", _BLUE))):
        values = [float(part[what].mean() or 0.0) for part in means.values()]  # type: ignore[arg-type]
        axes.barh(place + 0.2 - 0.4 * by, values, height=0.38, color=color, label=what)
    axes.set_yticks(place, list(means))
    axes.legend(frameon=False)
    axes.set(xlabel="mean absolute error, points")
    axes.grid(visible=False, axis="y")


def _game(axes: "Axes", game: pl.DataFrame) -> None:
    chance = home_chance(game)
    axes.step(np.arange(len(chance)), chance, where="post", color=_BLUE, linewidth=1.3)
    axes.axhline(0.5, color=_GREY, linewidth=1, linestyle="--")
    changes = game["segment"].ne_missing(game["segment"].shift(1)).to_numpy()
    for at in np.flatnonzero(changes)[1:].tolist():
        axes.axvline(at, color="#d5d8dc", linewidth=1)
    axes.set(ylim=(0, 1), xlim=(0, max(len(chance) - 1, 1)), xlabel="row of the game",
             ylabel="chance of home")  # fmt: skip

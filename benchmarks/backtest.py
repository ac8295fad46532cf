"""Print what each model scores on seasons that its fit has not seen, and whether that is enough.

    PYTHONPATH=. python benchmarks/backtest.py DATA

DATA is the folder of recorded games. NFL: each season by a fit on the other thirteen; NBA: by a fit
on the other two; both as `oddspipe model fit` does it. MLB: 2016 by 2015 and the reverse, by what
is known before a game. Exits with 1 if a line is not passed.
"""

import sys
from pathlib import Path

import numpy as np
from benchmarks import score_mlb

from oddspipe.core.fitting.fit import fit_of, win_scores
from oddspipe.core.plan.load import plan_for

LINES = {
    "NFL home wins, Brier": (0.1478, 0.1468),
    "NFL home wins, log loss": (0.4450, 0.4425),
    "NFL home wins, ECE": (0.010, None),
    "NFL margin, MAE": (7.09, None),
    "NFL total, MAE": (7.33, None),
    "NBA home wins, Brier": (0.1562, 0.1555),
    "NBA home wins, log loss": (0.4655, None),
    "NBA home wins, ECE": (0.010, None),
    "NBA margin, MAE": (7.80, None),
    "NBA total, MAE": (10.05, None),
    "MLB state only, Brier": (0.1565, 0.1560),
    "MLB state only, log loss": (0.4665, None),
    "MLB ratings, Brier": (0.1555, None),
    "MLB ratings, log loss": (0.4635, None),
    "MLB closing prices, Brier": (0.1540, None),
    "MLB closing prices, log loss": (0.460, None),
    "MLB over closing total, Brier": (0.1472, 0.1461),
    "MLB run line, Brier": (0.1440, 0.1430),
}
"""What must be reached, and what is aimed at; lower is better."""

NAMES = {"brier": "home wins, Brier", "log_loss": "home wins, log loss", "ece": "home wins, ECE",
         "mae_margin": "margin, MAE", "mae_total": "total, MAE"}  # fmt: skip


def mlb(data: Path) -> dict[str, float]:
    found = {}
    made = score_mlb.held_out(data)
    for prior, one in made.items():
        scores = win_scores(one.chance["home"], one.came["home"].astype(np.float64))
        found[f"MLB {prior}, Brier"] = scores["brier"]
        found[f"MLB {prior}, log loss"] = scores["log_loss"]
    one = made["closing prices"]

    def brier(market: str) -> float:
        came = one.came[market].astype(np.float64)
        known = ~np.isnan(came)
        return float(np.mean((one.chance[market] - came)[known] ** 2))

    found["MLB over closing total, Brier"] = brier("over")
    found["MLB run line, Brier"] = (brier("home -1.5") + brier("away -1.5")) / 2
    return found


def main(data: Path) -> int:
    found = mlb(data)
    for sport in ("NFL", "NBA"):
        work = fit_of(plan_for(sport.lower()), data, ())
        scores = work.held_out(
            work.years, lambda year, _: print(f"  {year}", file=sys.stderr)
        ).scores
        found |= {f"{sport} {NAMES[name]}": value for name, value in scores.items()}
    missed = 0
    print(f"{'score':<32}{'held out':>10}{'pass':>9}{'aim':>9}")
    for name, (line, aim) in LINES.items():
        value = found[name]
        missed += value > line
        word = "MISSED" if value > line else "aim met" if aim and value <= aim else "passed"
        shown = f"{aim:>9.4f}" if aim else " " * 9
        print(f"{name:<32}{value:>10.4f}{line:>9.4f}{shown}  {word}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""What the states of live games ask for, by the phases of the spec."""

import numpy as np
import pytest
from tests.plan_cases import ROOT

from oddspipe.core.plan.load import plan_for
from oddspipe.core.telemetry.phases import Phases

NAN = np.nan


def states(plan, **columns):
    """Return the state of games by column; what is not given is absent."""
    names = [one.name for one in (*plan.state, *plan.derived)]
    count = len(next(iter(columns.values())))
    return {name: np.array(columns.get(name, [NAN] * count), float) for name in names}


@pytest.mark.parametrize(
    ("sport", "columns", "load", "phased"),
    [
        ("nfl", {"period": [1, 4, 4, NAN], "yardline_100": [50, 15, 60, NAN]},
         1 + 1.6 * 1.3 + 1.3 + 1, {"red_zone": 1, "fourth_quarter": 2}),
        ("nba", {"period": [4, 5], "time_left": [200, 400], "lead": [-3, 0]},
         1.3 * 1.5 + 1.3, {"fourth_quarter": 2, "close_finish": 1}),
        ("mlb", {"period": [9, 2], "bases": [0, 3]}, 1.3 + 1.4,
         {"late_innings": 1, "runners_on": 1}),
    ],
)  # fmt: skip
def test_a_game_asks_for_the_factors_of_the_phases_that_hold(sport, columns, load, phased):
    plan = plan_for(ROOT / "sports" / f"{sport}.yaml")
    made = Phases(plan)
    assert made.of([states(plan, **columns)]) == (pytest.approx(load), phased)
    none = dict.fromkeys(phased, 0)
    assert made.of([]) == (0, none)
    assert made.of([{name: v[:0] for name, v in states(plan, **columns).items()}]) == (0, none)
    twice = made.of([states(plan, **columns)] * 2)
    assert twice == (pytest.approx(2 * load), {name: 2 * n for name, n in phased.items()})

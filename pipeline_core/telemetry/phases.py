"""What the states of live games ask for: the phases of the spec's load, looked at when scraped."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.plan.model import Plan
from oddspipe.core.stages.frame import Conditions, StateFrame

States = Mapping[str, NDArray[np.float64]]


class Phases:
    """The phases of a plan: red zone, last quarter, late innings, each with its factor."""

    def __init__(self, plan: Plan) -> None:
        """Compile their conditions.

        Raises:
            SpecError: The SQL of one has a fault.
        """
        self._phases = plan.load.phases
        names = [*StateFrame(plan.state).names, *(one.name for one in plan.derived)]
        types: dict[str, pl.DataType] = dict.fromkeys(names, pl.Float64())
        self._conditions = Conditions([one.when for one in self._phases], types)

    def of(self, states: Sequence[States]) -> tuple[float, dict[str, int]]:
        """Return the load of live games, in games at their usual rate, and the games by phase."""
        load, phased = 0.0, dict.fromkeys((one.name for one in self._phases), 0)
        for columns in states:
            rows = pl.DataFrame([pl.Series(n, v, nan_to_null=True) for n, v in columns.items()])
            if not len(rows):
                continue
            factor = np.ones(len(rows))
            for phase, holds in zip(self._phases, self._conditions.true(rows), strict=True):
                factor[holds] *= phase.multiplier
                phased[phase.name] += int(np.count_nonzero(holds))
            load += float(factor.sum())
        return load, phased

"""States that a model would be asked about: of games that the sport's simulator made up."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.assemble import Input, source_of
from oddspipe.core.joint import JointGrid
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.model import GameStates, ScoreDistribution
from oddspipe.core.runtime.chain import PartitionChain

ROWS = 1000
GAMES, RATE, MOST = 6, 60, 600_000

Columns = Mapping[str, NDArray[np.float64]]


class _Anything:
    """Stands in for the model while the games are made up: its answers are not looked at."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self._scopes = scopes

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        rows = len(states)
        nothing, sure = np.zeros(rows, np.int64), np.ones((rows, 1, 1))
        return {scope: JointGrid(nothing, nothing, sure) for scope in self._scopes}


def states_of(plan: Plan) -> GameStates:
    """Return up to `ROWS` states, spread over made-up games from start to end.

    Raises:
        OddspipeError: The sport's games cannot be made up.
    """
    taken: list[Columns] = []

    def watch(_cuts: object, _of_cut: object, states: Columns) -> None:
        taken.append({name: states[name].copy() for name in plan.model.inputs})

    chain = PartitionChain(plan, _Anything(plan.model.scopes), watch)
    source = source_of(plan, Input(games=GAMES, rate=RATE, limit=MOST), None)
    source.open(0)
    read = 0
    try:
        while read < MOST and (payloads := source.poll(0)) is not None:
            if len(payloads):
                for _ in chain.steps(payloads):
                    pass
                read += len(payloads)
    finally:
        source.close()
    columns = {name: np.concatenate([one[name] for one in taken]) for name in plan.model.inputs}
    every = max(1, len(next(iter(columns.values()))) // ROWS)
    return GameStates(
        {name: np.ascontiguousarray(c[::every][:ROWS]) for name, c in columns.items()}
    )

"""What a process of its own costs a model, and what a shadow costs a run; ratios within one run.

Run as a script: prints, for each sport, the time of one question to boards (in a thread, in a
process, their ratio), then the time of a whole chain with and without a shadow.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from oddspipe.core.assemble import Input, source_of
from oddspipe.core.assemble_models import Shadows, prices_of
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.conform.states import states_of
from oddspipe.core.parts import Isolation, ShadowPlan
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.model import GameStates
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.markets import Boards, make_boards

ROUNDS = 15
ROWS = (1, 30, 1000)
IN_PROCESS = Isolation(process=True, deadline_us=60_000_000)
IN_THREAD = Isolation(deadline_us=60_000_000)
PIECE = 400
"""Events of one step: about what comes in 20 ms at the NFL's peak of one game."""


def best_ms(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the fastest of several rounds of each way, taken in turn: others use this machine."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            best[name] = min(best[name], (time.perf_counter() - start) * 1e3)
    return best


def questions(sport: str) -> None:
    """Measure one question in a thread and in a process; the answers are the same bytes."""
    plan = replace(plan_for(sport), isolation=IN_THREAD)
    thread, process = prices_of(plan), prices_of(replace(plan, isolation=IN_PROCESS))
    states = states_of(plan)
    for rows in ROWS:
        some = GameStates({name: np.resize(states[name], rows) for name in states.columns})

        def asked(model: Prices, some: GameStates = some) -> Boards:
            return make_boards(model.price(some), plan.odds.markets)

        here, there = asked(thread), asked(process)
        assert here.p_fair.tobytes() == there.p_fair.tobytes()
        assert here.line.tobytes() == there.line.tobytes()
        found = best_ms({"thread": lambda: asked(thread), "process": lambda: asked(process)})
        more = found["process"] - found["thread"]
        print(
            f"{sport} {rows:5} states  thread {found['thread']:7.2f} ms  process "
            f"{found['process']:7.2f} ms  ratio {found['process'] / found['thread']:.2f}  "
            f"{more / rows * 1e3:7.1f} us a state more"
        )


def pieces(plan: Plan) -> list[Payloads]:
    """Return the events of a minute of made-up games, in the pieces in which they would come."""
    source = source_of(plan, Input(rate=2000, duration_s=30.0), None)
    source.open(0)
    found: list[Payloads] = []
    while (batch := source.poll(1_000_000)) is not None:
        found += [batch.part(at, min(at + PIECE, len(batch))) for at in range(0, len(batch), PIECE)]
    return found


def chains(sport: str, shadow: str) -> None:
    """Measure a whole chain alone and with a shadow, in a thread and in a process."""
    plan = plan_for(sport)
    beside = replace(plan_for(sport).model, name=shadow, parameters={}, version="")
    plans = {"alone": plan} | {
        f"shadow in a {where}": replace(plan, shadow=ShadowPlan(beside, isolation, 10**6))
        for where, isolation in (("thread", IN_THREAD), ("process", IN_PROCESS))
    }
    events = pieces(plan)
    models = {name: (prices_of(one), Shadows(one)) for name, one in plans.items()}

    def through(name: str) -> None:
        model, shadows = models[name]
        chain = PartitionChain(plan, model, shadow=shadows.one())
        boards = sum(len(chain.step(piece).odds) for piece in events)
        assert boards > 10
        assert shadows.patience.failed == 0

    found = best_ms({name: lambda name=name: through(name) for name in plans})
    for name, taken in found.items():
        print(
            f"{sport} chain, {name:20} {taken / len(events):6.2f} ms a step of {PIECE} events  "
            f"ratio {taken / found['alone']:.2f}"
        )


def main() -> None:
    """Measure and print."""
    for sport in ("nfl", "nba", "mlb"):
        questions(sport)
    chains("nfl", "nfl_stern")
    chains("nfl", "nfl")


if __name__ == "__main__":
    main()

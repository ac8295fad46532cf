"""Outputs to give to a sink: what a run of made-up games gives, bad input included."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from oddspipe.core.assemble import Input, source_of
from oddspipe.core.assemble_models import model_of
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.rejects import Rejects
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.sports import sports
from oddspipe.core.ports.output import Odds, Output, Rollups
from oddspipe.core.runtime.chain import PartitionChain

GAMES, PAYLOADS, RATE = 2, 6000, 2
"""Few events a second: many minutes of play, so that most outputs hold odds."""
FAULTS = "duplicates=1%,corrupt=0.5%,out_of_range=0.2%"
STEPS = (500, 1300)
"""The same input, cut in two ways."""


def sample_outputs(plan: Plan | None = None, *, step_rows: int = STEPS[0]) -> list[Output]:
    """Return what the stages give for made-up games; the same each time.

    Args:
        plan: The sport's plan; that of the first installed sport when left out.
        step_rows: Payloads of one step; the same events and odds come, cut differently.
    """
    plan = plan or plan_for(sports()[0])
    chain = PartitionChain(plan, model_of(plan))
    source = source_of(plan, Input(games=GAMES, rate=RATE, limit=PAYLOADS, faults=FAULTS), None)
    source.open(0)
    parts: list[Payloads] = []
    try:
        while sum(map(len, parts)) < PAYLOADS and (found := source.poll(0)) is not None:
            parts += [found] if len(found) else []
    finally:
        source.close()
    payloads = Payloads.joined(parts)
    return [
        output
        for at in range(0, min(len(payloads), PAYLOADS), step_rows)
        for output in chain.steps(payloads.part(at, min(at + step_rows, PAYLOADS)))
    ]


def empty(like: Output) -> Output:
    """Return an output in which nothing happened, right after another."""
    none, real = np.empty(0, np.int64), np.empty(0)
    return replace(
        like,
        events=like.events.take(none),
        rollups=Rollups(none, none, none, none, real, real, real),
        odds=Odds.none(),
        rejects=tuple(Rejects.none(one.stage) for one in like.rejects),
    )


def digest(outputs: Sequence[Output]) -> list[bytes]:
    """Return the bytes of all numbers in outputs, to see whether anyone changed them."""
    parts: list[Any] = []
    for output in outputs:
        parts += (output.events, output.rollups, output.odds, *output.rejects)
    columns = [getattr(part, one.name) for part in parts for one in fields(part)]
    return [column.tobytes() for column in columns if isinstance(column, np.ndarray)]

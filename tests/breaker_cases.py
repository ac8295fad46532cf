"""A feed that changes in the middle: what comes cannot be read, and later it can again."""

from dataclasses import replace

import numpy as np
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed

from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.rejects import COUNTED_ONLY
from oddspipe.core.parts import Breaker
from oddspipe.core.runtime.chain import PartitionChain

BREAKER = Breaker(max_rate=0.3, window_us=1_000_000, min_messages=20, probe=10)
WATCHED = replace(PLAN, breaker=BREAKER)
ORIGIN = Origin("test", "test", "1", "plan", 5_000_000)
BAD = slice(120, 190)
"""Payloads that are no events any more."""


def changed_feed(seed: int, bad: slice = BAD, **more: int) -> list[tuple[bytes, int]]:
    """Return the noisy feed with a stretch that a change of the provider's made unreadable."""
    feed = noisy_feed(seed, **more)
    return [
        (b"\xff" + one if bad.start <= at < bad.stop else one, when)
        for at, (one, when) in enumerate(feed)
    ]


def payloads_of(feed: list[tuple[bytes, int]], first: int = 0) -> Payloads:
    times = np.array([at for _, at in feed], np.int64)
    return Payloads.of([one for one, _ in feed], ingest_us=times, first_position=first)


def straight(feed: list[tuple[bytes, int]], plan=WATCHED):
    """Return chain and outputs of one pass over a feed, without a pause."""
    chain = PartitionChain(plan, NormalModel())
    return chain, list(chain.steps(payloads_of(feed)))


def odds_of(outputs) -> list[bytes]:
    """Return the odds messages of outputs, in order."""
    return [line for one in outputs for line in messages(one, ORIGIN, ("decimal",)).splitlines()]


def letters_of(outputs) -> set[tuple[str, int, int]]:
    """Return stage, position and reason of every dead letter."""
    counted = {reason.value for reason in COUNTED_ONLY}
    return {
        (rejects.stage, int(position), reason)
        for one in outputs
        for rejects in one.rejects
        for position, reason in zip(rejects.position, rejects.reason.tolist(), strict=True)
        if reason not in counted
    }

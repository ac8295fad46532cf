"""Cost of fold and price: tracking events of six games, conflated to 20 ms, at eight times speed.

Run as a script: prints the fold's cost an event, and the price stage's a call and a cut.
"""

import time

import numpy as np
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, odds

from oddspipe.core.batch.batch import Batch
from oddspipe.core.names import Kind
from oddspipe.core.ports.model import GameStates, Pmf
from oddspipe.core.stages.fold import Fold
from oddspipe.core.stages.price import Price, PricePlan

ROWS = 16_384
BATCHES = 61
GAMES = 6
STATE_HERE = tuple(column for column in STATE if column.where is None)
AT = LAYOUT.index


class FlatModel:
    """As cheap as a model can be, so that the stage is measured and not the model."""

    def price(self, states: GameStates) -> dict[str, "FlatModel"]:
        self.mean = np.nan_to_num(states["spread_line"])
        return {"game": self}

    def margin(self) -> Pmf:
        grid = np.arange(-60, 61)
        mass = np.exp(-0.5 * ((grid[None, :] - self.mean[:, None]) / 13.0) ** 2)
        return Pmf(np.full(len(mass), -60), mass / mass.sum(axis=1)[:, None])

    def total(self) -> Pmf:
        margin = self.margin()
        return Pmf(margin.first + 105, margin.mass)


def batches() -> list[Batch]:
    """Make 1 M events, 97 % tracking and 3 % market moves, 8 us of recorded time apart."""
    rng = np.random.default_rng(20_240_908)
    made = []
    for number in range(BATCHES):
        words = np.zeros((len(LAYOUT), ROWS), np.int64)
        first = number * ROWS
        is_market = rng.random(ROWS) < 0.03
        words[AT["kind"]] = np.where(is_market, Kind.MARKET, Kind.TRACKING)
        words[AT["game_id"]] = rng.integers(0, GAMES, ROWS)
        words[AT["sequence"]] = np.arange(first, first + ROWS)
        words[AT["ingest_time"]] = 10**15 + (first + np.arange(ROWS)) * 8
        words[AT["event_time"]] = words[AT["ingest_time"]]
        words[AT["value"]] = rng.normal(size=ROWS).view(np.int64)
        words[AT["spread_line"]] = (rng.normal(size=ROWS) * 0.2).view(np.int64)
        bits = sum(1 << AT[n] for n in ("kind", "game_id", "sequence", "ingest_time", "event_time"))
        present = np.full(ROWS, bits | 1 << AT["value"], np.uint64)
        present |= np.where(is_market, np.uint64(1 << AT["spread_line"]), np.uint64(0))
        none = np.zeros(ROWS, np.int64)
        made.append(
            Batch(
                words,
                present,
                np.zeros((2, ROWS), np.uint64),
                np.zeros(ROWS, np.uint8),
                first + np.arange(ROWS),
                np.zeros(8, np.uint8),
                none,
                none,
                first + np.arange(ROWS),
            )
        )
    return made


def main() -> None:
    """Measure and print."""
    events = batches()
    count = BATCHES * ROWS
    fold = Fold(LAYOUT, KINDS, STATE_HERE, RULES, odds())
    start = time.perf_counter()
    cuts = sum(len(fold.step(batch).cuts) for batch in events)
    folded = time.perf_counter() - start
    plan = PricePlan(LAYOUT, KINDS, STATE_HERE, (), RULES, odds())
    Price(plan, FlatModel()).step(events[0])  # what is imported at first use
    stage = Price(plan, FlatModel())
    start = time.perf_counter()
    messages = sum(len(stage.step(batch).odds) for batch in events)
    priced = time.perf_counter() - start
    assert stage.account.balance() == 0
    print(f"events {count}  cuts {cuts}  messages {messages}  cuts a call {cuts / BATCHES:.1f}")
    print(f"fold   {folded / count * 1e9:7.1f} ns an event")
    print(f"price  {(priced - folded) / BATCHES * 1e6:7.1f} us a call beside the fold")
    print(f"       {(priced - folded) / cuts * 1e6:7.1f} us a cut")
    print(f"stage  {priced / count * 1e9:7.1f} ns an event in all")


if __name__ == "__main__":
    main()

"""The stages of one partition, from payloads to an output."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import HALTED, Payloads
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Odds, Output, Rollups
from oddspipe.core.stages.accuracy import Accuracy, all_of
from oddspipe.core.stages.breaker import ErrorRate
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.core.stages.price import Price, PricePlan, Watch
from oddspipe.core.stages.protocol import Account, Frozen
from oddspipe.core.stages.receive import Receive
from oddspipe.core.stages.shadow import Shadow


class _Names(Mapping[int, Sequence[str]]):
    """The names of every string column as they are now, however often they grew."""

    def __init__(self, stage: Normalise | Receive) -> None:
        self._stage = stage

    def __getitem__(self, column: int) -> Sequence[str]:  # type: ignore[explicit-override]  # 3.11 has no typing.override
        return self._stage.strings[column]

    def __iter__(self) -> Iterator[int]:  # type: ignore[explicit-override]  # 3.11 has no typing.override
        return iter(self._stage.strings)

    def __len__(self) -> int:  # type: ignore[explicit-override]  # 3.11 has no typing.override
        return len(self._stage.strings)


class PartitionChain:
    """Normalise, order and price one partition's input.

    Args:
        plan: The plan.
        model: The plan's model, or what watches over it.
        watch: Is shown what the model is asked.
        shadow: A second model, which is asked the same.
        read: Makes events of what comes, where it is not events yet.
    """

    def __init__(
        self,
        plan: Plan,
        model: Prices,
        watch: Watch | None = None,
        shadow: Shadow | None = None,
        read: Callable[[Payloads], Payloads] | None = None,
    ) -> None:
        """Compile every stage.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        self._read = read
        self.breaker = ErrorRate(plan.breaker)
        self._normalise, self._order = _first_stages(plan, self.breaker)
        self._price = Price(_price_plan(plan), model, _Names(self._normalise), watch, shadow)
        self._shadow = shadow

    def step(self, payloads: Payloads) -> Output:
        """Put payloads through every stage, up to where the breaker opens or closes.

        What lies at or behind the output's `position` was not taken.
        """
        if self._read is not None:
            payloads = self._read(payloads)
        was_closed = self.breaker.closed
        decoded, status, refused = self._normalise.step(payloads)
        ordered, turned_away = self._order.step(decoded, status)
        priced = self._price.step(ordered, halted=not was_closed)
        odds = priced.odds
        if was_closed and not self.breaker.closed:
            odds = odds.then(self._price.halt())
        strings = self._normalise.strings
        return Output(
            priced.events,
            priced.rollups,
            odds,
            (refused, turned_away, priced.rejects),
            strings[GAME_ID],
            dict(strings),
            int(decoded.positions[-1]) + 1,
            ordered.until_us,
            priced.shadow,
        )

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Put all of the payloads through every stage, however often the breaker opens."""
        yield from _all_steps(self, payloads)

    @property
    def games(self) -> Sequence[str]:
        """Return the names of the games seen so far, by their numbers."""
        return self._normalise.strings[GAME_ID]

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return the books of the stages, in order."""
        return tuple(stage.account for stage in self._stages())

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        return self._price.accuracy

    @property
    def shadow(self) -> Shadow | None:
        """Return the model that is compared with the published one, if there is one."""
        return self._shadow

    def states(self) -> dict[str, dict[str, float]]:
        """Return state and derived columns of every game seen so far, NaN where absent."""
        names = self._normalise.strings[GAME_ID]
        return {names[game]: state for game, state in self._price.states().items()}

    def live_states(self) -> dict[str, NDArray[np.float64]]:
        """Return state and derived columns of the games under way, a row a game."""
        return self._price.live_states()

    def snapshot(self) -> dict[str, Frozen]:
        """Return the state of every stage, by its name."""
        return {
            self._normalise.account.stage: (self._normalise.snapshot(),),
            self._order.account.stage: self._order.snapshot_parts(),
            self._price.account.stage: (self._price.snapshot(),),
        }

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up states that `snapshot` gave."""
        for stage in self._stages():
            stage.restore(state[stage.account.stage])

    def _stages(self) -> tuple[Normalise, GameOrder, Price]:
        return self._normalise, self._order, self._price


class NormaliseChain:
    """Normalise and order one partition's input: what the normalised topic is made of.

    Args:
        plan: The plan.
        read: Makes events of what comes, where it is not events yet.
    """

    accuracy: ClassVar = all_of([])
    shadow: ClassVar = None

    def __init__(self, plan: Plan, read: Callable[[Payloads], Payloads] | None = None) -> None:
        """Compile the stages.

        Raises:
            SpecError: SQL of the plan has a fault.
        """
        self._read = read
        self.breaker = ErrorRate(plan.breaker)
        self._normalise, self._order = _first_stages(plan, self.breaker)
        self._nothing = Rollups.none(), Odds.none()

    def step(self, payloads: Payloads) -> Output:
        """Put payloads through both stages, up to where the breaker opens or closes.

        What lies at or behind the output's `position` was not taken. Who prices is told by the
        events' flags that nothing may be open, and by `halt` that from here on nothing may.
        """
        if self._read is not None:
            payloads = self._read(payloads)
        was_closed = self.breaker.closed
        decoded, status, refused = self._normalise.step(payloads)
        ordered, turned_away = self._order.step(decoded, status)
        if not was_closed:
            ordered.flags = ordered.flags | np.uint8(HALTED)
        strings = self._normalise.strings
        return Output(
            ordered,
            *self._nothing,
            (refused, turned_away),
            strings[GAME_ID],
            dict(strings),
            int(decoded.positions[-1]) + 1,
            ordered.until_us,
            halt=was_closed and not self.breaker.closed,
        )

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Put all of the payloads through both stages, however often the breaker opens."""
        yield from _all_steps(self, payloads)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return the books of the stages, in order."""
        return self._normalise.account, self._order.account

    def live_states(self) -> Mapping[str, NDArray[np.float64]]:
        """Return nothing: games have a state where they are priced."""
        return {}

    def snapshot(self) -> dict[str, Frozen]:
        """Return the state of every stage, by its name."""
        return {
            self._normalise.account.stage: (self._normalise.snapshot(),),
            self._order.account.stage: self._order.snapshot_parts(),
        }

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up states that `snapshot` gave."""
        for stage in (self._normalise, self._order):
            stage.restore(state[stage.account.stage])


class PriceChain:
    """Price one partition's normalised events; with `NormaliseChain` before it, the whole.

    Args:
        plan: The plan.
        model: The plan's model, or what watches over it.
        shadow: A second model, which is asked the same.
    """

    def __init__(self, plan: Plan, model: Prices, shadow: Shadow | None = None) -> None:
        """Compile the stages.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        # What may be taken is decided where events are normalised: this one never opens.
        self.breaker = ErrorRate(plan.breaker)
        self._receive = Receive(plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes)
        parts, names = _price_plan(plan), _Names(self._receive)
        self._price = Price(parts, model, names, shadow=shadow, numbered=True)
        self._shadow = shadow

    def step(self, payloads: Payloads) -> Output:
        """Price records of the normalised topic, up to where its breaker opened or closed.

        What lies at or behind the output's `position` was not taken.
        """
        received = self._receive.step(payloads)
        events = received.events
        priced = self._price.step(events, halted=received.halted)
        odds = priced.odds.then(self._price.halt()) if received.halts else priced.odds
        strings = self._receive.strings
        return Output(
            priced.events,
            priced.rollups,
            odds,
            (received.strange, priced.rejects),
            strings[GAME_ID],
            dict(strings),
            received.position,
            events.until_us,
            priced.shadow,
        )

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Price all of the records, however often the breaker opened."""
        yield from _all_steps(self, payloads)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return the books of the stages, in order."""
        return self._receive.account, self._price.account

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        return self._price.accuracy

    @property
    def shadow(self) -> Shadow | None:
        """Return the model that is compared with the published one, if there is one."""
        return self._shadow

    def live_states(self) -> Mapping[str, NDArray[np.float64]]:
        """Return state and derived columns of the games under way, a row a game."""
        return self._price.live_states()

    def snapshot(self) -> dict[str, Frozen]:
        """Return the state of every stage, by its name."""
        return {
            self._receive.account.stage: (self._receive.snapshot(),),
            self._price.account.stage: (self._price.snapshot(),),
        }

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up states that `snapshot` gave."""
        self._receive.restore(state[self._receive.account.stage])
        self._price.restore(state[self._price.account.stage])


def _all_steps(
    chain: "PartitionChain | NormaliseChain | PriceChain", payloads: Payloads
) -> Iterator[Output]:
    while len(payloads):
        output = chain.step(payloads)
        yield output
        payloads = payloads.after(output.position)


def _first_stages(plan: Plan, breaker: ErrorRate) -> tuple[Normalise, GameOrder]:
    return (
        Normalise(
            plan.layout,
            plan.kinds,
            plan.rules,
            max_payload_bytes=plan.max_payload_bytes,
            breaker=breaker,
        ),
        GameOrder(plan.layout, plan.kinds, plan.order, plan.duplicates),
    )


def _price_plan(plan: Plan) -> PricePlan:
    return PricePlan(plan.layout, plan.kinds, plan.state, plan.derived, plan.rules, plan.odds)

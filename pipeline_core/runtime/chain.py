"""The stages of one partition, from payloads to an output."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oddspipe.core.batch.batch import HALTED, Batch, Payloads
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.batch.rejects import Rejects
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Odds, Output, Rollups
from oddspipe.core.stages.accuracy import Accuracy
from oddspipe.core.stages.breaker import ErrorRate
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.core.stages.price import Price, PricePlan, Watch
from oddspipe.core.stages.protocol import Account, Frozen, Stateful
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


class _Chain(ABC):
    """What all chains have: the books and the state of their stages, in order.

    Attributes:
        breaker: Says where a step ends because too much is turned away.
        shadow: The model that is compared with the published one, if there is one.
    """

    shadow: Shadow | None = None
    _price: Price | None = None

    def __init__(self, plan: Plan) -> None:
        self.breaker = ErrorRate(plan.breaker)

    @abstractmethod
    def _stages(self) -> tuple[Stateful, ...]:
        """Return the stages, in order."""

    @abstractmethod
    def step(self, payloads: Payloads) -> Output:
        """Put payloads through every stage, up to where the breaker opens or closes.

        What lies at or behind the output's `position` was not taken.
        """

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Put all of the payloads through every stage, however often the breaker opens."""
        while len(payloads):
            output = self.step(payloads)
            yield output
            payloads = payloads.after(output.position)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Return the books of the stages, in order."""
        return tuple(stage.account for stage in self._stages())

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        return Accuracy.none() if self._price is None else self._price.accuracy

    def live_states(self) -> Mapping[str, NDArray[np.float64]]:
        """Return state and derived columns of the games under way, a row a game."""
        return {} if self._price is None else self._price.live_states()

    def snapshot(self) -> dict[str, Frozen]:
        """Return the state of every stage, by its name."""
        return {stage.account.stage: _frozen(stage) for stage in self._stages()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up states that `snapshot` gave."""
        for stage in self._stages():
            stage.restore(state[stage.account.stage])


@dataclass(frozen=True, slots=True)
class _Ordered:
    """What of some payloads goes on.

    Attributes:
        events: In the order of their games.
        rejects: What was turned away, an entry a stage.
        position: Place in the input behind what was taken.
        halted: Whether no market may be open, whatever the events say.
        halts: Whether none may be open from here on.
    """

    events: Batch
    rejects: tuple[Rejects, Rejects]
    position: int
    halted: bool
    halts: bool


class _FeedChain(_Chain):
    """A chain that reads the feed: its first stages."""

    def __init__(self, plan: Plan, read: Callable[[Payloads], Payloads] | None) -> None:
        super().__init__(plan)
        self._read = read
        self._normalise = Normalise(
            plan.layout,
            plan.kinds,
            plan.rules,
            max_payload_bytes=plan.max_payload_bytes,
            breaker=self.breaker,
        )
        self._order = GameOrder(plan.layout, plan.kinds, plan.order, plan.duplicates)

    def _ordered(self, payloads: Payloads) -> _Ordered:
        """Put payloads through normalise and order, up to where the breaker opens or closes."""
        if self._read is not None:
            payloads = self._read(payloads)
        was_closed = self.breaker.closed
        decoded, status, refused = self._normalise.step(payloads)
        ordered, turned_away = self._order.step(decoded, status)
        return _Ordered(
            ordered,
            (refused, turned_away),
            int(decoded.positions[-1]) + 1,
            halted=not was_closed,
            halts=was_closed and not self.breaker.closed,
        )


class PartitionChain(_FeedChain):
    """Normalise, order and price one partition's input.

    Args:
        plan: The plan.
        model: The plan's model, or what watches over it.
        watch: Is shown what the model is asked.
        shadow: A second model, which is asked the same.
        read: Makes events of what comes, where it is not events yet.
    """

    _price: Price

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
        super().__init__(plan, read)
        self._price = Price(_price_plan(plan), model, _Names(self._normalise), watch, shadow)
        self.shadow = shadow

    @override
    def step(self, payloads: Payloads) -> Output:
        ordered = self._ordered(payloads)
        priced = self._price.step(ordered.events, halted=ordered.halted)
        odds = priced.odds.then(self._price.halt()) if ordered.halts else priced.odds
        strings = self._normalise.strings
        return Output(
            priced.events,
            priced.rollups,
            odds,
            (*ordered.rejects, priced.rejects),
            strings[GAME_ID],
            dict(strings),
            ordered.position,
            ordered.events.until_us,
            priced.shadow,
        )

    @property
    def games(self) -> Sequence[str]:
        """Return the names of the games seen so far, by their numbers."""
        return self._normalise.strings[GAME_ID]

    def states(self) -> dict[str, dict[str, float]]:
        """Return state and derived columns of every game seen so far, NaN where absent."""
        names = self._normalise.strings[GAME_ID]
        return {names[game]: state for game, state in self._price.states().items()}

    @override
    def _stages(self) -> tuple[Stateful, ...]:
        return self._normalise, self._order, self._price


class NormaliseChain(_FeedChain):
    """Normalise and order one partition's input: what the normalised topic is made of.

    Who prices is told by the events' flags that nothing may be open, and by the output's `halt`
    that from there on nothing may.

    Args:
        plan: The plan.
        read: Makes events of what comes, where it is not events yet.
    """

    def __init__(self, plan: Plan, read: Callable[[Payloads], Payloads] | None = None) -> None:
        """Compile the stages.

        Raises:
            SpecError: SQL of the plan has a fault.
        """
        super().__init__(plan, read)
        self._nothing = Rollups.none(), Odds.none()

    @override
    def step(self, payloads: Payloads) -> Output:
        ordered = self._ordered(payloads)
        events = ordered.events
        if ordered.halted:
            events.flags = events.flags | np.uint8(HALTED)
        strings = self._normalise.strings
        return Output(
            events,
            *self._nothing,
            ordered.rejects,
            strings[GAME_ID],
            dict(strings),
            ordered.position,
            events.until_us,
            halt=ordered.halts,
        )

    @override
    def _stages(self) -> tuple[Stateful, ...]:
        return self._normalise, self._order


class PriceChain(_Chain):
    """Price one partition's normalised events; with `NormaliseChain` before it, the whole.

    What may be taken is decided where events are normalised: this breaker never opens. A step ends
    where that one opened or closed.

    Args:
        plan: The plan.
        model: The plan's model, or what watches over it.
        shadow: A second model, which is asked the same.
    """

    _price: Price

    def __init__(self, plan: Plan, model: Prices, shadow: Shadow | None = None) -> None:
        """Compile the stages.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        super().__init__(plan)
        self._receive = Receive(plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes)
        parts, names = _price_plan(plan), _Names(self._receive)
        self._price = Price(parts, model, names, shadow=shadow, numbered=True)
        self.shadow = shadow

    @override
    def step(self, payloads: Payloads) -> Output:
        received = self._receive.step(payloads)
        priced = self._price.step(received.events, halted=received.halted)
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
            received.events.until_us,
            priced.shadow,
        )

    @override
    def _stages(self) -> tuple[Stateful, ...]:
        return self._receive, self._price


def _frozen(stage: Stateful) -> Frozen:
    """Return a stage's state in parts; that of the order is large, and stands in parts already."""
    return stage.snapshot_parts() if isinstance(stage, GameOrder) else (stage.snapshot(),)


def _price_plan(plan: Plan) -> PricePlan:
    return PricePlan(plan.layout, plan.kinds, plan.state, plan.derived, plan.rules, plan.odds)

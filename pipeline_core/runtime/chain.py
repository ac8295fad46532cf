"""The stages of one partition, from payloads to an output."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.stages.accuracy import Accuracy
from oddspipe.core.stages.breaker import ErrorRate
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.core.stages.price import Price, PricePlan, Watch
from oddspipe.core.stages.protocol import Account, Frozen


class _Names(Mapping[int, Sequence[str]]):
    """The names of every string column as they are now, however often they grew."""

    def __init__(self, stage: Normalise) -> None:
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
        read: Makes events of what comes, where it is not events yet.
    """

    def __init__(
        self,
        plan: Plan,
        model: Prices,
        watch: Watch | None = None,
        read: Callable[[Payloads], Payloads] | None = None,
    ) -> None:
        """Compile every stage.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        self._read = read
        self.breaker = ErrorRate(plan.breaker)
        self._normalise = Normalise(
            plan.layout,
            plan.kinds,
            plan.rules,
            max_payload_bytes=plan.max_payload_bytes,
            breaker=self.breaker,
        )
        self._order = GameOrder(plan.layout, plan.kinds, plan.order, plan.duplicates)
        parts = PricePlan(plan.layout, plan.kinds, plan.state, plan.derived, plan.rules, plan.odds)
        self._price = Price(parts, model, _Names(self._normalise), watch)

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
        )

    def steps(self, payloads: Payloads) -> Iterator[Output]:
        """Put all of the payloads through every stage, however often the breaker opens."""
        while len(payloads):
            output = self.step(payloads)
            yield output
            payloads = payloads.after(output.position)

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

    def states(self) -> dict[str, dict[str, float]]:
        """Return state and derived columns of every game seen so far, NaN where absent."""
        names = self._normalise.strings[GAME_ID]
        return {names[game]: state for game, state in self._price.states().items()}

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

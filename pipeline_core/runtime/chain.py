"""The stages of one partition, from payloads to an output."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.layout import GAME_ID
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.stages.accuracy import Accuracy
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.normalise import Normalise
from oddspipe.core.stages.order import GameOrder
from oddspipe.core.stages.price import Price, PricePlan, Watch
from oddspipe.core.stages.protocol import Account, Frozen
from oddspipe.core.stages.shadow import Shadow


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
        self._normalise = Normalise(
            plan.layout, plan.kinds, plan.rules, max_payload_bytes=plan.max_payload_bytes
        )
        self._order = GameOrder(plan.layout, plan.kinds, plan.order, plan.duplicates)
        parts = PricePlan(plan.layout, plan.kinds, plan.state, plan.derived, plan.rules, plan.odds)
        self._price = Price(parts, model, _Names(self._normalise), watch, shadow)
        self._shadow = shadow

    def step(self, payloads: Payloads) -> Output:
        """Put payloads through every stage."""
        if self._read is not None:
            payloads = self._read(payloads)
        decoded, status, refused = self._normalise.step(payloads)
        ordered, turned_away = self._order.step(decoded, status)
        priced = self._price.step(ordered)
        strings = self._normalise.strings
        return Output(
            priced.events,
            priced.rollups,
            priced.odds,
            (refused, turned_away, priced.rejects),
            strings[GAME_ID],
            dict(strings),
            int(payloads.positions[-1]) + 1,
            ordered.until_us,
            priced.shadow,
        )

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

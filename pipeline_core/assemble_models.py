"""From a plan to what is asked for prices: its model, and a second one beside it."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from oddspipe.core.errors import PluginError
from oddspipe.core.parts import Isolation, MarketPlan, ModelPlan
from oddspipe.core.plan.digest import model_digest
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.model import GameStates, ScoreDistribution
from oddspipe.core.ports.registry import load_model
from oddspipe.core.runtime.model_process import ModelProcess
from oddspipe.core.runtime.model_wire import Need, taken
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.stages.accuracy import Accuracy, all_of
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.markets import marginals_of
from oddspipe.core.stages.shadow import Patience, Shadow

if TYPE_CHECKING:
    import polars as pl


def model_of(plan: Plan) -> Any:  # noqa: ANN401 - what a plug-in is, only its protocol says
    """Make the plan's model with its parameters.

    Raises:
        PluginError: It does not load, or its parameters do not fit.
    """
    return made_of(plan.model)


def made_of(model: ModelPlan) -> Any:  # noqa: ANN401 - as above
    """Make a model with its parameters.

    Raises:
        PluginError: It does not load, or its parameters do not fit.
    """
    made = load_model(model.name)
    try:
        return made(made.Parameters(**model.parameters))
    except Exception as error:  # a guest may raise anything
        raise PluginError(
            f"model {model.name!r} cannot be made: {type(error).__name__}: {error}",
            hint="oddspipe validate says which parameter is wrong.",
        ) from error


def prices_of(plan: Plan) -> Prices:
    """Make what watches over the plan's model, in this process or another, as the plan says.

    Raises:
        PluginError: It does not load, or its parameters do not fit.
    """
    return _watched(plan.model, plan.isolation, plan.odds.markets)


class Shadows:
    """Makes the shadow of each partition; all ask one model, and share one patience.

    Attributes:
        model: Its name and version, as people read it.
        patience: How many failures are borne.

    Raises:
        PluginError: It does not load, or its parameters do not fit.
    """

    def __init__(self, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> None:
        """Make the model; `tell` is told of its first failure, and that it is off."""
        self.model = ""
        self.patience = Patience(0, tell)
        self._markets = plan.odds.markets
        self._prices: Prices | None = None
        if (shadow := plan.shadow) is not None:
            self.model = f"{shadow.model.name} {shadow.model.version}"
            self.patience.most = shadow.failures
            self._prices = _watched(shadow.model, shadow.isolation, plan.odds.markets)
            self._digest = model_digest(shadow.model)

    def report(self, shadows: Iterable[Shadow | None]) -> dict[str, Any] | None:
        """Return the entry of a run's report; None without a shadow."""
        if self._prices is None:
            return None
        return {
            "model": self.model,
            "failures": self.patience.failed,
            "off": self.patience.off or None,
            "accuracy": accuracy_of(shadows).as_report(),
        }

    def one(self) -> Shadow | None:
        """Return the shadow of a partition; None where the plan has none."""
        if self._prices is None:
            return None
        return Shadow(self._prices, self._markets, self._digest, self.patience)


def accuracy_of(shadows: Iterable[Shadow | None]) -> Accuracy:
    """Return how good the chances of shadows were, those of several partitions as one."""
    return all_of([one.scorer.scored for one in shadows if one is not None])


def _watched(model: ModelPlan, isolation: Isolation, markets: tuple[MarketPlan, ...]) -> Prices:
    if isolation.process:
        return ModelProcess(model, isolation, markets)
    made = _WorkedOut(made_of(model), marginals_of(markets))
    return WatchedModel(made, seconds=isolation.deadline_us / 1e6)


class _WorkedOut:
    """A model whose marginals are worked out where it is watched: they too may raise or hang."""

    def __init__(self, model: Prices, needs: list[Need]) -> None:
        self._model, self._needs = model, needs

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the marginals that the markets need."""
        return taken(self._model.price(states), self._needs).by_scope()


def ratings_of(plan: Plan) -> "Callable[[pl.DataFrame], pl.DataFrame] | None":
    """Return how the plan's model rates games by those finished before, if it does."""
    made: Any = load_model(plan.model.name)
    rate: Callable[[pl.DataFrame], pl.DataFrame] | None = getattr(made, "rate", None)
    return rate

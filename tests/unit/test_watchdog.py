"""A model that hangs costs its own call, and after three of them the run."""

import threading

import numpy as np
import pytest
from tests.pricing_model import NormalModel

from oddspipe.core.errors import PluginError
from oddspipe.core.ports.model import GameStates
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.stages.isolate import HungError

STATES = GameStates({"home_score": np.zeros(1), "away_score": np.zeros(1), "spread_line": np.ones(1)})  # fmt: skip  # noqa: E501 - one table


class Hanging(NormalModel):
    def __init__(self) -> None:
        super().__init__()
        self.hangs = True
        self.let_go = threading.Event()

    def price(self, states):
        if self.hangs:
            self.let_go.wait(5)
        return super().price(states)


def test_call_after_a_hang_is_answered_by_a_new_thread() -> None:
    model = Hanging()
    watched = WatchedModel(model, seconds=0.001)

    with pytest.raises(HungError):
        watched.price(STATES)
    model.hangs = False
    watched._seconds = 5.0
    answer = watched.price(STATES)

    assert set(answer) == {"game"}
    model.let_go.set()
    watched.close()


def test_third_hang_stops_the_run() -> None:
    model = Hanging()
    watched = WatchedModel(model, seconds=0.001)

    for _ in range(2):
        with pytest.raises(HungError):
            watched.price(STATES)
    with pytest.raises(PluginError, match="3rd time") as stopped:
        watched.price(STATES)

    assert not isinstance(stopped.value, HungError)
    model.let_go.set()


def test_failure_of_the_model_is_raised_where_it_was_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        WatchedModel(NormalModel(raises=(0,))).price(STATES)

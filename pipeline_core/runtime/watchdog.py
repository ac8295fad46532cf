"""Ask a model in a thread of its own, so that one that hangs does not hang the run."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from oddspipe.core.errors import PluginError
from oddspipe.core.ports.model import GameStates, ScoreDistribution
from oddspipe.core.stages.isolate import HungError, Prices

MAX_HANGS = 3


@dataclass
class _Worker:
    """A thread that answers one question at a time; two locks pass the turn, without a queue."""

    model: Prices
    asked: threading.Lock = field(default_factory=threading.Lock)
    answered: threading.Lock = field(default_factory=threading.Lock)
    states: GameStates | None = None
    answer: Mapping[str, ScoreDistribution] | None = None
    failure: Exception | None = None

    def start(self) -> None:
        self.asked.acquire()
        self.answered.acquire()
        threading.Thread(target=self._serve, name="model", daemon=True).start()

    def ask(self, states: GameStates | None, seconds: float) -> bool:
        """Hand over a question; say whether it was answered in time."""
        self.states, self.answer, self.failure = states, None, None
        self.asked.release()
        return self.answered.acquire(timeout=seconds)

    def dismiss(self) -> None:
        """Let the thread end at its next turn."""
        self.states = None
        self.asked.release()

    def _serve(self) -> None:
        while True:
            self.asked.acquire()
            if self.states is None:
                return
            try:
                self.answer = self.model.price(self.states)
            except Exception as failure:  # noqa: BLE001 - raised again where it was asked
                self.failure = failure
            self.answered.release()


class WatchedModel:
    """A model whose `price` gives up after a budget of time.

    A thread that hangs cannot be stopped; it is left behind and a new one takes over. After three
    of them the run stops.

    Args:
        model: The model that is asked.
        seconds: Budget of one call.
    """

    def __init__(self, model: Prices, *, seconds: float = 2.0) -> None:
        """Start the first thread."""
        self._model = model
        self._seconds = seconds
        self._hangs = 0
        self._worker = self._new_worker()

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the model's answer.

        Raises:
            HungError: It took longer than the budget.
            PluginError: That has happened three times.
            Exception: Whatever the model raised.
        """
        worker = self._worker
        if not worker.ask(states, self._seconds):
            self._hangs += 1
            said = f"the model did not answer within {self._seconds:g} s"
            if self._hangs >= MAX_HANGS:
                raise PluginError(
                    f"{said}, for the {self._hangs}rd time",
                    hint="Run the model alone on the state in the dead letters; look for a loop.",
                )
            self._worker = self._new_worker()
            raise HungError(said)
        if worker.failure is not None:
            raise worker.failure
        if worker.answer is None:
            raise TypeError("price() returned None")
        return worker.answer

    def close(self) -> None:
        """Let the thread end."""
        self._worker.dismiss()

    def _new_worker(self) -> _Worker:
        worker = _Worker(self._model)
        worker.start()
        return worker

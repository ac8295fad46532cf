"""Source and sink in memory: tests, dry runs and the specs' own tests."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from oddspipe.core.batch.batch import Payloads
from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output


class MemorySource:
    """Gives payloads that are in memory already, batch by batch."""

    name: ClassVar[str] = "memory"
    finite: ClassVar[bool] = True

    def __init__(self, batches: Sequence[Payloads]) -> None:
        """Take the batches; positions rise over all of them."""
        self._batches = list(batches)
        self._next = 0
        self._from = 0
        self.acknowledged = 0

    def open(self, position: int, token: bytes = b"") -> None:
        """Go to `position`; the token is not needed."""
        del token
        self._next = 0
        self._from = position

    def poll(self, timeout_us: int) -> Payloads | None:
        """Return the next batch, less what lies before the position; None at the end."""
        del timeout_us
        while self._next < len(self._batches):
            batch = self._batches[self._next]
            self._next += 1
            first = int(np.searchsorted(batch.positions, self._from))
            if first < len(batch):
                return batch.part(first, len(batch))
        return None

    def acknowledge(self, position: int) -> None:
        """Remember the position."""
        self.acknowledged = position

    def total(self) -> int | None:
        """Return the number of payloads."""
        return sum(len(batch) for batch in self._batches)

    def close(self) -> None:
        """Give nothing more."""
        self._next = len(self._batches)


class MemorySink:
    """Keeps every output that it is given."""

    keeps: ClassVar[Guarantee] = Guarantee.AT_LEAST_ONCE

    def __init__(self, name: str = "memory") -> None:
        """Start with nothing."""
        self.name = name
        self.outputs: list[Output] = []
        self.is_open = False

    def open(self) -> None:
        """Take outputs from now on."""
        self.is_open = True

    def write(self, output: Output) -> None:
        """Keep the output."""
        self.outputs.append(output)

    def refresh(self) -> None:
        """Do nothing; nothing expires."""

    def close(self) -> None:
        """Take no more outputs."""
        self.is_open = False

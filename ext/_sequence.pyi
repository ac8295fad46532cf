from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oddspipe.ext._sequence_py import Rows, Sequenced

class Sequencer:
    def __init__(
        self,
        order: tuple[int, int, int, int, int],
        *,
        duplicates_us: int,
        timers: Sequence[int] = ...,
        ends: Sequence[int] = ...,
        max_missing: int = ...,
    ) -> None: ...
    @property
    def now(self) -> int: ...
    @property
    def held(self) -> int: ...
    def step(self, rows: Rows) -> Sequenced: ...
    def held_slots(self) -> NDArray[np.int64]: ...
    def snapshot(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...

def gather(
    words: NDArray[np.int64], pool: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.int64]: ...

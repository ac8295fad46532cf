from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from oddspipe.ext._sequence_py import Rows, Sequenced

@disjoint_base
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
    def snapshot_parts(self) -> list[bytes | memoryview]: ...
    def restore(self, state: bytes) -> None: ...

def gather(
    sources: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]], order: NDArray[np.int64]
) -> list[NDArray[np.int64]]: ...
def move_spans(
    words: NDArray[np.int64],
    present: NDArray[np.uint64],
    columns: Sequence[int],
    by: NDArray[np.int64],
) -> None: ...

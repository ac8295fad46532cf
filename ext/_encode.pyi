from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Wire: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint8]]
Names: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]

def encode(
    words: NDArray[np.int64],
    present: NDArray[np.uint64],
    wire: Wire,
    names: Names,
    side: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]: ...

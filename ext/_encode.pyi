from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Wire: TypeAlias = tuple[NDArray[np.uint32], NDArray[np.uint8]]
_Names: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]

def encode(
    words: NDArray[np.int64],
    present: NDArray[np.uint64],
    wire: _Wire,
    names: _Names,
    side: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]: ...

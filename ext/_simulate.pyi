import numpy as np
from numpy.typing import NDArray

from oddspipe.ext._simulate_py import Tables

def write(
    given: Tables, rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]: ...

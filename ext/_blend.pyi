import numpy as np
from numpy.typing import NDArray

def blend(
    table: NDArray[np.float64], at: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]: ...
def chase(
    sides: NDArray[np.float64],
    lead: NDArray[np.int64],
    extras: NDArray[np.float64],
    walk_off: NDArray[np.float64],
    apart: bool = ...,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

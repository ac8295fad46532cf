import numpy as np
from numpy.typing import NDArray

def cdf(x: NDArray[np.float64]) -> NDArray[np.float64]: ...
def sf(x: NDArray[np.float64]) -> NDArray[np.float64]: ...
def lattice(
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    first: NDArray[np.int64],
    floor: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None: ...
def between(
    chance: NDArray[np.float64], doubt: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

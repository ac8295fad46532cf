from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_Bytes: TypeAlias = NDArray[np.uint8]
_Places: TypeAlias = NDArray[np.int64]

def put_tails(
    data: _Bytes, starts: _Places, ends: _Places, tails: _Bytes
) -> tuple[_Bytes, _Places, _Places]: ...
def take_tails(data: _Bytes, starts: _Places, ends: _Places, length: int) -> _Bytes: ...

"""The hot path, compiled or in plain Python: a decision, never an accident.

`ODDSPIPE_PURE=1` chooses the plain-Python twins; otherwise a missing build fails the import of the
module that needs it.
"""

import os
from typing import Final

COMPILED: Final = os.environ.get("ODDSPIPE_PURE") != "1"

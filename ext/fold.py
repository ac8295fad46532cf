"""The fold: which twin runs is a decision, not an accident."""

import os

if os.environ.get("ODDSPIPE_PURE") == "1":
    from oddspipe.ext._fold_py import run
else:
    from oddspipe.ext._fold import run

__all__ = ["run"]

"""Mixtures, and the side that bats last: which twin runs is a decision, not an accident."""

import os

if os.environ.get("ODDSPIPE_PURE") == "1":
    from oddspipe.ext._blend_py import blend, chase
else:
    from oddspipe.ext._blend import blend, chase

__all__ = ["blend", "chase"]

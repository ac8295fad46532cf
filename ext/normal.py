"""The normal distribution: which twin runs is a decision, not an accident."""

import os

if os.environ.get("ODDSPIPE_PURE") == "1":
    from oddspipe.ext._normal_py import between, cdf, lattice, sf
else:
    from oddspipe.ext._normal import between, cdf, lattice, sf

__all__ = ["between", "cdf", "lattice", "sf"]

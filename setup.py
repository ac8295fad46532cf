"""List the compiled extensions; every other fact is in pyproject.toml."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

# ODDSPIPE_DEBUG=1 builds with bounds checks and assertions; CI runs the tests on both builds.
DEBUG = os.environ.get("ODDSPIPE_DEBUG") == "1"
NAMES = (
    "_decode",
    "_encode",
    "_sequence",
    "_fold",
    "_normal",
    "_blend",
    "_kafka",
    "_simulate",
    "_tail",
)

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"oddspipe.ext.{name}",
                [f"src/oddspipe/ext/{name}.pyx"],
                libraries=["dl"] if name == "_kafka" else [],
                extra_compile_args=["-O0", "-g"] if DEBUG else ["-O3", "-fno-strict-aliasing"],
            )
            for name in NAMES
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": DEBUG,
            "autotestdict": False,
            "embedsignature": True,
        },
    ),
)

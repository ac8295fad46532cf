"""Say what is missing before the install does so in its own words."""

import shutil
import sys

if sys.version_info < (3, 11):
    sys.exit(
        f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. "
        "Name another one: make PYTHON=python3.12 …"
    )
try:
    import ensurepip  # noqa: F401 - whether it is there is the question
except ImportError:
    sys.exit("Python's venv module is missing: install the package python3-venv.")
if not (shutil.which("cc") or shutil.which("gcc")):
    sys.exit("A C compiler is missing: install the package gcc (and python3-dev).")

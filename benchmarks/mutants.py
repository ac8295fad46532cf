"""Break our own loop on purpose, one edit at a time, and see that a test catches each.

    python benchmarks/mutants.py [NAME ...] [--list]

Each mutant of `mutants.toml` is one edit of one file, the promise that it breaks, and the tests
that must fail with it. The tree is copied to a temporary folder and edited there; the working tree
is never touched. First all named tests have to pass without a mutant. Prints a line each, and ends
with 1 if one survives: then a test is missing.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LISTED = Path(__file__).with_name("mutants.toml")
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "generated", "__pycache__", ".*_cache", ".hypothesis"
)
PATIENCE_S = 300.0
"""A mutant that makes its tests hang is caught as well."""
WHOLE_S = 3600.0
CAUGHT, SURVIVED, HUNG, UNTESTED = "caught", "SURVIVED", "caught (hung)", "NOT TESTED"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit.

    Attributes:
        name: What it is called.
        file: Path in the tree.
        old, new: Text that stands there once, and what is put in its place.
        breaks: The promise that does not hold any more.
        tests: Ids of the tests of which one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """Return the text of the file with the edit.

        Raises:
            ValueError: The old text is not there exactly once.
        """
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: found {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def listed() -> list[Mutant]:
    """Return all mutants."""
    entries = tomllib.loads(LISTED.read_text())["mutant"]
    return [Mutant(**{**one, "tests": tuple(one["tests"])}) for one in entries]


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of the tree that tests run in; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Path(place) / "tree"
        shutil.copytree(ROOT, tree, symlinks=True, ignore=LEFT_OUT)
        found = subprocess.run(
            [sys.executable, "-c", "import oddspipe.core; print(oddspipe.core.__file__)"],
            cwd=tree, env=_environ(tree), check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        if not found.startswith(str(tree)):
            raise SystemExit(f"the copy is not what its tests import: {found}")
        yield tree


def passed(tree: Path, tests: Sequence[str], within_s: float = PATIENCE_S) -> tuple[str, str]:
    """Run tests in a tree; return what became of the mutant in it, and which test failed."""
    words = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-profile=mutants", *tests]
    running = subprocess.Popen(  # noqa: S603 - words of ours
        [sys.executable, "-m", "pytest", *words], cwd=tree, env=_environ(tree),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = running.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        return HUNG, ""
    if running.returncode not in {0, 1}:
        print(told[-2000:])
        return UNTESTED, ""
    failed = re.search(r"^(?:FAILED|ERROR) \S*?::(\w+)", told, re.MULTILINE)
    return (CAUGHT, failed[1] if failed else "") if running.returncode else (SURVIVED, "")


def tried(tree: Path, mutant: Mutant, stamp: int) -> tuple[str, str]:
    """Apply a mutant, run its tests, and put the file back."""
    path = tree / mutant.file
    before = path.read_text()
    try:
        path.write_text(mutant.applied(before))
        # Compiled files go by whole seconds: no two states of a file may have the same.
        os.utime(path, (stamp, stamp))
        return passed(tree, mutant.tests)
    finally:
        path.write_text(before)
        os.utime(path, (stamp + 1, stamp + 1))


def _environ(tree: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONUNBUFFERED": "1"}


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    words.add_argument("names", nargs="*", default=[""], help="Those that begin so; else all.")
    words.add_argument("--list", action="store_true", help="Run nothing.")
    given = words.parse_args()
    chosen = [one for one in listed() if one.name.startswith(tuple(given.names))]
    if not chosen:
        print(f"no mutant is called {' or '.join(given.names)}")
        return 2
    if given.list:
        for one in chosen:
            print(f"{one.name:<34} {one.file:<48} {one.breaks}")
        return 0
    results: dict[str, str] = {}
    with copied() as tree:
        whole = list(dict.fromkeys(test for one in chosen for test in one.tests))
        found, test = passed(tree, whole, WHOLE_S)
        if found != SURVIVED:
            print(f"the tests fail without a mutant too: mend {test or 'them'} first")
            return 1
        stamp = int(LISTED.stat().st_mtime) + 1_000_000
        for number, one in enumerate(chosen):
            begun = time.monotonic()
            results[one.name], test = tried(tree, one, stamp + 2 * number)
            seconds = time.monotonic() - begun
            print(f"{one.name:<34} {results[one.name]:<14}{seconds:6.1f} s  {test}")
            sys.stdout.flush()
    alive = [name for name, what in results.items() if what not in {CAUGHT, HUNG}]
    print(f"{len(results)} mutants, {len(results) - len(alive)} caught")
    for name in alive:
        print(f"{results[name]}: {name}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the tests of a sport file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path as FilePath

from oddspipe.core.assemble_models import model_of
from oddspipe.core.cases.compare import Difference, Question, differences
from oddspipe.core.cases.play import Came, play
from oddspipe.core.clock import Clock
from oddspipe.core.plan.checks.odds import market_of
from oddspipe.core.plan.load import ReadSpec, read_spec
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.resolve import planned
from oddspipe.core.problem import Path, Problem
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.spec.cases import CaseSpec
from oddspipe.core.spec.document import Diagnostic, Document, Mark
from oddspipe.core.spec.model import SportSpec
from oddspipe.core.spec.platform import PlatformSpec

ENVIRONMENT = "local"
"""Tests run on the plan of this environment, where the platform has it, else of its first."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of one test.

    Attributes:
        name: Its name.
        place: `file:line` of it.
        differences: Expectations that were not met, each with its place.
        came: What became of each entry.
        seconds: How long it took.
    """

    name: str
    place: str
    differences: list[tuple[str, Difference]] = field(default_factory=list)
    came: list[Came] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Say whether everything came as expected."""
        return not self.differences


@dataclass
class SpecTests:
    """The tests of one file; nothing runs while the file has faults."""

    read: ReadSpec
    platform: PlatformSpec

    @staticmethod
    def of(file: FilePath, platform: PlatformSpec) -> "SpecTests":
        """Read a sport file and everything that is wrong with it.

        Raises:
            UsageError: The file cannot be read.
        """
        return SpecTests(read_spec(file, platform), platform)

    @property
    def faults(self) -> list[Diagnostic]:
        """Return what keeps the tests from running, in file order."""
        found = [one for one in self.read.diagnostics() if one.severity == "error"]
        if not found and self.read.spec is None:
            problem = Problem("key.missing", (), "Too much is missing to make a plan.")
            return [self.read.document.diagnostic(problem)]
        return found

    def matching(self, pattern: str) -> list[int]:
        """Return the indexes of the tests whose names fit a pattern such as `*touchdown*`."""
        return [at for at, case in enumerate(self._spec.tests) if fnmatchcase(case.name, pattern)]

    def run(self, index: int, clock: Clock) -> Tested:
        """Run one test.

        Raises:
            PluginError: The model does not load, or hung too often.
        """
        case, at = self._spec.tests[index], ("tests", index)
        began = clock.monotonic_ns()
        played = play(self._plan, self._model, case)
        question = Question(self._plan, self._markets, case.expect, (*at, "expect"), played)
        return Tested(
            case.name,
            self.place((*at, "name")),
            [
                (self.place(one.path), one)
                for one in sorted(differences(question), key=lambda one: self._order(one.path))
            ],
            played.came,
            (clock.monotonic_ns() - began) / 1e9,
        )

    def _order(self, path: Path) -> tuple[int, int]:
        mark = self.mark(path)
        return mark.line, mark.column

    def place(self, path: Path) -> str:
        """Return `file:line` of a value."""
        mark = self.mark(path)
        return f"{mark.file}:{mark.line}"

    def mark(self, path: Path) -> Mark:
        """Return where a value is written."""
        return self.document.locate(Problem("", path, "", on_key=True))

    @property
    def document(self) -> Document:
        """Return the file as it was read."""
        return self.read.document

    def case(self, index: int) -> CaseSpec:
        """Return one test."""
        return self._spec.tests[index]

    @property
    def _spec(self) -> SportSpec:
        if self.read.spec is None:
            raise ValueError("a file with faults has no tests to run")
        return self.read.spec

    @cached_property
    def _plan(self) -> Plan:
        known = self.platform.environments
        return planned(
            self._spec, self.platform, ENVIRONMENT if ENVIRONMENT in known else next(iter(known))
        )

    @cached_property
    def _model(self) -> WatchedModel:
        return WatchedModel(model_of(self._plan))

    @cached_property
    def _markets(self) -> Mapping[tuple[str, str], str]:
        return {
            (entry.scope, str(market_of(name, entry))): name
            for name, entry in self._spec.odds.markets.items()
        }

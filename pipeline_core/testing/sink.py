"""The contract of a sink, check by check; see `Sink`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from oddspipe.core.conform.model import Result
from oddspipe.core.errors import RetryableError, RunError
from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output
from oddspipe.core.ports.sink import Sink
from oddspipe.core.runtime.lane import Bulk, Choosy
from oddspipe.core.testing.finding import Check, FaultError, results_of
from oddspipe.core.testing.samples import STEPS, digest, empty, sample_outputs

RESTARTS: Final = 6
"""So often a sink is opened anew while one set of outputs is written."""


def _forget(_sink: Sink) -> None:
    """Let a sink go without a word, as a kill does."""


@dataclass(frozen=True, slots=True)
class SinkCase:
    """A sink to check, and how.

    Attributes:
        make: Makes the sink anew; all that it writes lies in the folder, or is named after it.
        read: Returns what a reader of that sink sees, after it was closed: a list of rows in their
            order, or a mapping by key. Leave out what may change, as the time of writing.
        folder: An empty folder; each check gets one of its own below.
        outputs: What to write; of made-up games when left empty.
        recut: The same, cut differently.
        crash: Ends a sink as a kill would, without close(), as near as one process can.
        broken: Makes one that cannot be opened; None leaves that check out.
        trouble: While it is entered the sink cannot write; None leaves that check out.
    """

    make: Callable[[Path], Sink]
    read: Callable[[Path], Any]
    folder: Path
    outputs: Sequence[Output] = field(default_factory=sample_outputs)
    recut: Sequence[Output] = field(default_factory=lambda: sample_outputs(step_rows=STEPS[1]))
    crash: Callable[[Sink], None] = _forget
    broken: Callable[[Path], Sink] | None = None
    trouble: Callable[[Path, Sink], AbstractContextManager[object]] | None = None


def check_sink(case: SinkCase) -> list[Result]:
    """Hold a sink against its contract, and against the guarantee that it claims."""
    return results_of(
        SinkChecks(case).checks(),
        advice="A sink raises RunError where it cannot go on, RetryableError where it may later.",
    )


class SinkChecks:
    """Writes to a sink and holds what a reader sees against the contract.

    Args:
        case: The sink.
    """

    def __init__(self, case: SinkCase) -> None:
        """Take the case; write nothing yet."""
        self._case = case
        self._outputs = list(case.outputs)
        self._before = digest(self._outputs)
        self._half = len(self._outputs) // 2
        self._places = 0
        self._known: Any = None

    def checks(self) -> tuple[Check, ...]:
        """Return every check."""
        return (
            ("says its name and what it keeps", self._says),
            ("shows what was written", self._shows),
            ("leaves the outputs as they are", self._leaves),
            ("goes on after a restart, in order", self._goes_on),
            ("keeps its guarantee when all is written again", self._again),
            ("keeps its guarantee when outputs come cut differently", self._recut),
            ("has what it wrote when it was killed", self._killed),
            ("takes an output in which nothing happened", self._empty),
            ("writes many at once as one by one", self._many),
            ("wants all that it writes", self._wants),
            ("is refreshed at any time", self._refreshed),
            ("is closed twice", self._closed),
            ("says that it cannot be opened", self._unopened),
            ("says that it cannot write, and goes on", self._unwritten),
        )

    def _place(self) -> Path:
        self._places += 1
        place = self._case.folder / str(self._places)
        place.mkdir()
        return place

    def _written(self, place: Path, outputs: Sequence[Output]) -> Any:  # noqa: ANN401 - a reading is the author's
        """Open a sink, write, close; return what is read then."""
        sink = self._case.make(place)
        try:
            sink.open()
            for output in outputs:
                sink.write(output)
        finally:
            sink.close()
        return self._case.read(place)

    @property
    def _whole(self) -> Any:  # noqa: ANN401 - as above
        """What is read when each output was written once; written once."""
        if self._known is None:
            self._known = self._written(self._place(), self._outputs)
        return self._known

    def _equal(self, found: Any, when: str, advice: str) -> None:  # noqa: ANN401 - as above
        if found != self._whole:
            raise FaultError(f"{when}, a reader sees {_unlike(found, self._whole)}", advice)

    def _kept(self, found: Any, when: str) -> None:  # noqa: ANN401 - as above
        """Hold a reading against the guarantee: copies are allowed to at_least_once alone."""
        keeps = self._case.make(self._place()).keeps
        if keeps is Guarantee.AT_LEAST_ONCE:
            found = _first_of_each(found)
        self._equal(
            found,
            f"{when} ({keeps.value})",
            "Find out in open() what is there, by the numbers of events, odds and rejects; skip it "
            "in write(). Or claim less.",
        )

    def _says(self) -> str:
        sink = self._case.make(self._place())
        if not sink.name:
            raise FaultError(f"its name is {sink.name!r}", "Return the name that its place has.")
        if not isinstance(sink.keeps, Guarantee):
            raise FaultError(
                f"it keeps {sink.keeps!r}", "Say keeps = Guarantee.EFFECTIVELY_ONCE, or less."
            )
        return f"{sink.name}, {sink.keeps.value}"

    def _shows(self) -> str:
        if not self._whole:
            raise FaultError(
                "nothing is read after all was written", "Look at `read`, or at write()."
            )
        return f"{len(self._whole):,} rows of {len(self._outputs)} outputs"

    def _leaves(self) -> str:
        self._written(self._place(), self._outputs)
        if digest(self._outputs) != self._before:
            raise FaultError(
                "write() changed an output", "Copy before changing: other sinks read it as well."
            )
        return ""

    def _goes_on(self) -> str:
        place, found = self._place(), None
        for part in _parts(self._outputs, RESTARTS):
            found = self._written(place, part)
            if isinstance(found, Sequence) and list(found) != list(self._whole[: len(found)]):
                raise FaultError(
                    f"part way, a reader sees {_unlike(found, self._whole[: len(found)])}",
                    "Append in the order of the outputs; keep what is there in open().",
                )
        self._equal(found, f"opened {RESTARTS} times", "Keep what is there in open().")
        return f"{RESTARTS} restarts"

    def _again(self) -> str:
        place = self._place()
        self._written(place, self._outputs)
        self._kept(self._written(place, self._outputs[: self._half]), "with the first half again")
        self._kept(self._written(place, self._outputs), "with all again")
        return ""

    def _recut(self) -> str:
        place = self._place()
        self._written(place, self._outputs[: self._half])
        self._kept(self._written(place, self._case.recut), "with outputs cut differently")
        return f"{len(self._outputs)} outputs and {len(self._case.recut)}"

    def _killed(self) -> str:
        place = self._place()
        sink = self._case.make(place)
        sink.open()
        for output in self._outputs[: self._half]:
            sink.write(output)
        self._case.crash(sink)
        found = self._written(place, self._outputs[self._half :])
        self._kept(found, "killed half way and given the rest")
        return ""

    def _empty(self) -> str:
        nothing = [empty(output) for output in (self._outputs[0], self._outputs[-1])]
        place = self._place()
        self._written(place, nothing[:1])
        found = self._written(place, [nothing[0], *self._outputs, nothing[1]])
        self._equal(found, "with empty outputs in between", "Write nothing for nothing.")
        return ""

    def _many(self) -> str:
        place = self._place()
        sink = self._case.make(place)
        if not isinstance(sink, Bulk):
            return "has no write_many"
        try:
            sink.open()
            sink.write_many([])
            for part in _parts(self._outputs, 2):
                sink.write_many(part)
        finally:
            sink.close()
        self._equal(self._case.read(place), "written many at once", "Let write() call write_many.")
        return ""

    def _wants(self) -> str:
        place = self._place()
        sink = self._case.make(place)
        if not isinstance(sink, Choosy):
            return "has no wants"
        wanted = [output for output in self._outputs if sink.wants(output)]
        found = self._written(place, wanted)
        self._equal(
            found, "given what it wants", "Let wants() be true where write() does something."
        )
        return f"{len(wanted)} of {len(self._outputs)} outputs"

    def _refreshed(self) -> str:
        place = self._place()
        sink = self._case.make(place)
        try:
            sink.open()
            sink.refresh()
            for output in self._outputs:
                sink.write(output)
                sink.refresh()
        finally:
            sink.close()
        self._equal(
            self._case.read(place), "refreshed", "Let refresh() change nothing but lifetimes."
        )
        return ""

    def _closed(self) -> str:
        place = self._place()
        sink = self._case.make(place)
        sink.close()
        sink.open()
        for output in self._outputs:
            sink.write(output)
        sink.close()
        sink.close()
        self._equal(self._case.read(place), "closed twice", "Let the second close() do nothing.")
        return ""

    def _unopened(self) -> str:
        if self._case.broken is None:
            return "not asked: no broken sink was given"
        sink = self._case.broken(self._place())
        try:
            sink.open()
        except RunError as told:
            return told.message
        finally:
            sink.close()
        raise FaultError(
            "open() said nothing of a place that cannot be used", "Raise RunError from open()."
        )

    def _unwritten(self) -> str:
        if self._case.trouble is None:
            return "not asked: no trouble was given"
        place = self._place()
        sink = self._case.make(place)
        sink.open()
        try:
            for output in self._outputs[: self._half]:
                sink.write(output)
            with self._case.trouble(place, sink):
                at, told = self._refused(sink)
            if isinstance(told, RetryableError):
                for output in self._outputs[at:]:
                    sink.write(output)
        finally:
            sink.close()
        if not isinstance(told, RetryableError):
            self._written(place, self._outputs[at:])
        self._kept(self._case.read(place), "after trouble that went by")
        return f"{type(told).__name__}: {told.message}"

    def _refused(self, sink: Sink) -> tuple[int, RunError]:
        """Write until the sink refuses; return at which output, and in which words."""
        for at in range(self._half, len(self._outputs)):
            try:
                sink.write(self._outputs[at])
            except RunError as told:
                return at, told
        raise FaultError(
            "write() said nothing while nothing could be written",
            "Raise RetryableError where the same call may work later, else RunError.",
        )


def _parts(outputs: Sequence[Output], count: int) -> list[Sequence[Output]]:
    size = -(-len(outputs) // count)
    return [outputs[at : at + size] for at in range(0, len(outputs), size)]


def _first_of_each(found: Any) -> Any:  # noqa: ANN401 - a reading is the author's
    """Return rows without later copies; a mapping has none."""
    if not isinstance(found, Sequence):
        return found
    kept: list[Any] = []
    seen: set[str] = set()
    for row in found:
        if (key := repr(row)) not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def _unlike(found: Any, wanted: Any) -> str:  # noqa: ANN401 - a reading is the author's
    """Return in words where two readings part."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
        return f"another {keys[0]!r}, and {len(keys) - 1} more" if keys else "another order"
    if len(found) != len(wanted):
        return f"{len(found):,} rows where there should be {len(wanted):,}"
    row = next(at for at in range(len(found)) if found[at] != wanted[at])
    return f"another row {row}: {found[row]!r}, not {wanted[row]!r}"

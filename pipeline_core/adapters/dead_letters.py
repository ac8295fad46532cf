"""Rows that were turned away, with their original bytes, in a file that only grows."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from oddspipe.core.adapters.appended import AppendedLines
from oddspipe.core.batch.rejects import COUNTED_ONLY, Reason, Rejects
from oddspipe.core.errors import StateError, UsageError
from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output

Line = TypeVar("Line")
COUNTED = np.array([reason.value for reason in COUNTED_ONLY], np.uint8)
FIELD_REASONS = frozenset(
    {
        Reason.WRONG_WIRE_TYPE,
        Reason.BAD_UTF8,
        Reason.OVERSIZED,
        Reason.MISSING_FIELD,
        Reason.OUT_OF_RANGE,
        Reason.NOT_FINITE,
        Reason.UNKNOWN_ENUM,
        Reason.TOO_MANY_IDS,
    }
)
"""Reasons whose detail is the index of a column."""
RULE_REASONS = frozenset({Reason.RULE, Reason.TEMPORAL_RULE})
"""Reasons whose detail is the index of a rule."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the file.

    Attributes:
        number: Line number, from 0.
        stage: What turned it away.
        position: Its place in the input; with `stage` it is unique.
        ingest_us: Recorded time at which it came.
        code: Number of the reason.
        reason: Name of the reason.
        field: Name of the field at fault, else empty.
        rule: Name of the rule that said no, else empty.
        text: What else is known.
        plan: Logic digest of the plan that turned it away.
        payload: The original bytes, in base64.
    """

    number: int
    stage: str
    position: int
    ingest_us: int
    code: int
    reason: str
    field: str
    rule: str
    text: str
    plan: str
    payload: str


class DeadLetters:
    """Append every reject but duplicates, once.

    Args:
        path: The file.
        fields: Names of the plan's columns, by index.
        rules: Names of the plan's rules, by index.
        plan: Logic digest of the plan.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EFFECTIVELY_ONCE

    def __init__(
        self,
        path: Path,
        *,
        fields: Sequence[str],
        rules: Sequence[str],
        plan: str,
        name: str = "dead_letters",
    ) -> None:
        self.name = name
        self._path = path
        self._letters = Letters(fields, rules, plan)
        self._lines = AppendedLines(path)
        self._had: dict[str, NDArray[np.int64]] = {}
        self._number = 0
        self._encoder = msgspec.json.Encoder()

    def open(self) -> None:
        """Cut off a torn line; find out which stages and positions are there.

        Positions of a stage need not rise: an event that was held is turned away after later ones.
        Within one run a stage turns a row away once, so only what an earlier run left is compared.
        """
        self._lines.open()
        places: dict[str, list[int]] = {}
        self._number = 0
        for place in _decoded(self._path, _Place):
            self._number = place.number + 1
            places.setdefault(place.stage, []).append(place.position)
        self._had = {stage: np.array(found, np.int64) for stage, found in places.items()}

    def wants(self, output: Output) -> bool:
        """Say whether this output has anything to write."""
        return any(len(rejects) for rejects in output.rejects)

    def write(self, output: Output) -> None:
        """Write and return when it is durable."""
        self.write_many((output,))

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write several outputs with one sync, and return when they are durable."""
        found: list[bytes] = []
        for output in outputs:
            for rejects in output.rejects:
                found += self._new_lines(rejects, self._number + len(found))
        if found:
            self._lines.append(b"\n".join(found) + b"\n")
            self._number += len(found)

    def refresh(self) -> None:
        """Nothing here expires."""

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self._lines.close()

    def _new_lines(self, rejects: Rejects, number: int) -> list[bytes]:
        """Encode what is not in the file yet."""
        new = ~np.isin(rejects.reason, COUNTED)
        had = self._had.get(rejects.stage)
        if had is not None:
            new &= ~np.isin(rejects.position, had)
        return [
            self._encoder.encode(self._letters.letter(rejects, row, number + at))
            for at, row in enumerate(np.flatnonzero(new).tolist())
        ]


@dataclass(frozen=True, slots=True)
class Letters:
    """Makes dead letters of rejects.

    Attributes:
        fields: Names of the plan's columns, by index.
        rules: Names of the plan's rules, by index.
        plan: Logic digest of the plan.
    """

    fields: Sequence[str]
    rules: Sequence[str]
    plan: str

    def of(self, rejects: Rejects) -> Iterator[DeadLetter]:
        """Yield a letter for every reject but duplicates, numbered by its place in the input."""
        for row in np.flatnonzero(~np.isin(rejects.reason, COUNTED)).tolist():
            yield self.letter(rejects, row, int(rejects.position[row]))

    def letter(self, rejects: Rejects, row: int, number: int) -> DeadLetter:
        """Return the letter of one row."""
        reason, detail = Reason(int(rejects.reason[row])), int(rejects.detail[row])
        return DeadLetter(
            number=number,
            stage=rejects.stage,
            position=int(rejects.position[row]),
            ingest_us=int(rejects.ingest_us[row]),
            code=reason.value,
            reason=reason.name,
            field=_name(self.fields, detail) if reason in FIELD_REASONS else "",
            rule=_name(self.rules, detail) if reason in RULE_REASONS else "",
            text=rejects.text[row] if rejects.text else "",
            plan=self.plan,
            payload=base64.b64encode(rejects.payloads[row]).decode(),
        )


def letters(path: Path) -> Iterator[DeadLetter]:
    """Yield all dead letters of a file, in order; none if there is no file.

    Raises:
        StateError: A line is not a dead letter.
    """
    return _decoded(path, DeadLetter)


def matching(path: Path, where: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first `limit` dead letters for which the SQL condition holds, and how many hold.

    Raises:
        UsageError: The condition is not SQL over the columns of a dead letter.
        StateError: The file is damaged.
    """
    found: list[dict[str, Any]] = []
    total = 0
    for part in batched_letters(path):
        kept = holding(part, where)
        total += len(kept)
        found += kept.head(limit - len(found)).to_dicts()
    return found, total


def holding(part: pl.DataFrame, where: str | None) -> pl.DataFrame:
    """Return the rows for which the SQL condition holds.

    Raises:
        UsageError: The condition is not SQL over the columns.
    """
    try:
        return part if where is None else part.filter(pl.sql_expr(where))
    except pl.exceptions.PolarsError as error:
        raise UsageError(
            f"--where {where!r}: {error}", hint=f"Columns: {', '.join(part.columns)}."
        ) from error


def batched_letters(path: Path, rows: int = 50_000) -> Iterator[pl.DataFrame]:
    """Yield all dead letters in frames of at most `rows`."""
    rest = letters(path)
    while part := list(islice(rest, rows)):
        yield pl.DataFrame(
            [msgspec.structs.asdict(letter) for letter in part], infer_schema_length=1
        )


class _Place(msgspec.Struct, frozen=True):
    """As much of a dead letter as tells it from others."""

    number: int
    stage: str
    position: int


def _decoded(path: Path, kind: type[Line]) -> Iterator[Line]:
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for at, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return  # torn by a crash, or just being written
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise StateError(f"{path}:{at}: not a dead letter: {error}") from error


def _name(names: Sequence[str], at: int) -> str:
    return names[at] if 0 <= at < len(names) else ""

"""What a model's process is told and what it answers, as bytes: Arrow frames with a short head.

A message is its kind, the lengths of its head and body, and these; the head is JSON, the body an
Arrow IPC stream: states a column, or marginals of which each row has its first number and its
masses, with the doubts that stand beside them. Numbers are carried bit by bit.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from oddspipe.core.errors import PluginError
from oddspipe.core.ports.model import Doubt, Doubted, GameStates, Pmf

HEAD: Final = struct.Struct("<BIQ")
"""Kind, bytes of the head, bytes of the body."""
READY, BROKEN, ASK, ANSWER, RAISED = range(1, 6)
Need = tuple[str, str]
"""A scope, and which marginal of it: margin, total, home or away."""


AXES: Final = ("margin", "total", "home", "away")


@dataclass(frozen=True, slots=True)
class Marginals:
    """The marginals that were asked of one distribution, by name, and its doubt."""

    of: Mapping[str, Pmf]
    said: Doubt | None = None

    def margin(self) -> Pmf:
        """Return the distribution of home minus away."""
        return self.of["margin"]

    def total(self) -> Pmf:
        """Return the distribution of home plus away."""
        return self.of["total"]

    def home(self) -> Pmf:
        """Return the distribution of the home side's points."""
        return self.of["home"]

    def away(self) -> Pmf:
        """Return the distribution of the away side's points."""
        return self.of["away"]

    def doubt(self) -> Doubt | None:
        """Return the shares of doubt, or None where they are not known."""
        return self.said


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked of a model's answer, worked out: marginals, and doubts by scope."""

    marginals: Mapping[Need, Pmf]
    doubts: Mapping[str, Doubt]

    def by_scope(self) -> dict[str, Marginals]:
        """Return it as the distributions of its scopes."""
        found: dict[str, dict[str, Pmf]] = {}
        for (scope, axis), pmf in self.marginals.items():
            found.setdefault(scope, {})[axis] = pmf
        return {scope: Marginals(of, self.doubts.get(scope)) for scope, of in found.items()}


class _Head(msgspec.Struct):
    """What the columns of an answer are: its marginals, and the scopes that doubts are of."""

    needs: list[Need]
    doubted: list[str]


def message(kind: int, head: object = None, bodies: Sequence[memoryview] = ()) -> list[memoryview]:
    """Return the parts of a message, in order."""
    said = msgspec.json.encode(head)
    size = sum(len(body) for body in bodies)
    return [memoryview(HEAD.pack(kind, len(said), size) + said), *bodies]


def asked(states: GameStates, names: Iterable[str]) -> list[memoryview]:
    """Return the question about some states; of their columns those that are named."""
    return message(ASK, None, [_stream(pl.DataFrame({name: states[name] for name in names}))])


def states_of(body: memoryview) -> GameStates:
    """Return the states of a question."""
    frame = pl.read_ipc_stream(BytesIO(body))
    # A model may write into what it is given; what Arrow gives is read-only.
    return GameStates({one.name: one.to_numpy().copy() for one in frame})


def taken(answer: Any, needs: Sequence[Need]) -> Answer:  # noqa: ANN401 - a guest's
    """Return what is needed of a model's answer, worked out.

    Raises:
        Exception: What the distributions raise.
    """
    if answer is None:
        raise TypeError("price() returned None")
    doubts: dict[str, Doubt] = {}
    for scope in dict.fromkeys(scope for scope, _ in needs if scope in answer):
        one = answer[scope]
        if isinstance(one, Doubted) and (said := one.doubt()) is not None:
            doubts[scope] = said
    marginals = {
        (scope, axis): getattr(answer[scope], axis)() for scope, axis in needs if scope in answer
    }
    return Answer(marginals, doubts)


def answered(answer: Any, needs: Sequence[Need]) -> list[memoryview]:  # noqa: ANN401 - a guest's
    """Return the answer of a model, of which only the marginals are sent that are needed.

    Raises:
        PluginError: A marginal has shapes that do not fit each other.
        Exception: What the distributions raise.
    """
    given = taken(answer, needs)
    columns: dict[str, Any] = {}
    for at, ((scope, axis), pmf) in enumerate(given.marginals.items()):
        _see_shapes(pmf, scope, axis)
        mass = np.ascontiguousarray(pmf.mass, np.float64)
        columns[f"first {at}"] = np.ascontiguousarray(pmf.first, np.int64)
        # A flat series takes the memory as it is; of a matrix Polars would copy row by row.
        columns[f"mass {at}"] = pl.Series(mass.reshape(-1)).reshape(mass.shape)
    for at, said in enumerate(given.doubts.values()):
        for axis in AXES:
            columns[f"doubt {at} {axis}"] = np.ascontiguousarray(getattr(said, axis), np.float64)
    if len({len(column) for column in columns.values()}) > 1:
        raise PluginError("the model gave distributions with different numbers of rows")
    head = _Head(list(given.marginals), list(given.doubts))
    return message(ANSWER, head, [_stream(pl.DataFrame(columns))])


def answer_of(head: bytes, body: memoryview) -> dict[str, Marginals]:
    """Return what a model answered."""
    frame = pl.read_ipc_stream(BytesIO(body))
    told = msgspec.json.decode(head, type=_Head)
    marginals = {
        need: Pmf(frame[f"first {at}"].to_numpy(), frame[f"mass {at}"].to_numpy())
        for at, need in enumerate(told.needs)
    }
    doubts = {
        scope: Doubt(*(frame[f"doubt {at} {axis}"].to_numpy() for axis in AXES))
        for at, scope in enumerate(told.doubted)
    }
    return Answer(marginals, doubts).by_scope()


def _see_shapes(pmf: Pmf, scope: str, axis: str) -> None:
    if pmf.mass.ndim != 2 or pmf.first.shape != pmf.mass.shape[:1] or pmf.mass.shape[1] < 1:
        raise PluginError(
            f"the model's {axis}() of scope {scope!r} has shapes "
            f"{pmf.first.shape} and {pmf.mass.shape}: expected (rows,) and (rows, width)"
        )


def _stream(frame: pl.DataFrame) -> memoryview:
    written = BytesIO()
    frame.write_ipc_stream(written, compression="uncompressed")
    return written.getbuffer()

"""The contract of an odds model, check by check; see `OddsModel`."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from oddspipe.core.backtest.forecasts import above, mean
from oddspipe.core.ports.model import Doubted, GameStates, Pmf, ScoreDistribution
from oddspipe.core.runtime.watchdog import WatchedModel
from oddspipe.core.stages.isolate import Prices

SUM_OFF: Final = 1e-9
ALONE: Final = 24
SLOW_US: Final = 1000.0
"""A model that takes longer for a state cannot follow a busy evening."""
AXES: Final = ("margin", "total", "home", "away")
Answer = Mapping[str, ScoreDistribution]


@dataclass(frozen=True, slots=True)
class Result:
    """One check.

    Attributes:
        name: What must be true.
        fault: What is not, empty if all is well.
        advice: What to do about it.
        note: What was measured.
    """

    name: str
    fault: str = ""
    advice: str = ""
    note: str = ""


class _FaultError(Exception):
    """What a check found."""

    def __init__(self, fault: str, advice: str) -> None:
        super().__init__(fault)
        self.fault, self.advice = fault, advice


class ModelCheck:
    """Asks a model and holds its answers against the contract.

    Args:
        model: The model.
        scopes: The scopes that it declares.
        states: Plausible states.
    """

    def __init__(self, model: Prices, scopes: tuple[str, ...], states: GameStates) -> None:
        """Take the model and the states; ask nothing yet."""
        self._model = WatchedModel(model)
        self._scopes = scopes
        self._states = states

    def results(self) -> Iterator[Result]:
        """Make every check; one that fails does not stop the others."""
        checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("answers every scope with distributions that add up to 1", self._answers),
            ("leaves the states as they are", self._leaves),
            ("gives the same answer to the same question", self._again),
            ("answers a row alone as beside others", self._alone),
            ("answers where an input is not known", self._unknown),
            ("takes no points back", self._points),
            ("home is likelier to win the further it leads", self._monotone),
            ("its four distributions agree", self._agrees),
            ("its doubt is a share below 1, or it says none", self._doubts),
            ("is quick enough", self._speed),
        )
        for name, check in checks:
            try:
                yield Result(name, note=check())
            except _FaultError as found:
                yield Result(name, found.fault, found.advice)
            except Exception as failed:  # noqa: BLE001 - a guest may raise anything
                yield Result(
                    name,
                    f"{type(failed).__name__}: {failed}",
                    "Mend price(): it must answer every state that the spec's columns can hold.",
                )

    def _ask(self, columns: Mapping[str, np.ndarray]) -> Answer:
        return self._model.price(GameStates(columns))

    def _answers(self) -> str:
        answer = self._ask(self._states.columns)
        for scope, axis, pmf in self._marginals(answer):
            self._sound(scope, axis, pmf, len(self._states))
        return f"{len(self._states):,} states, {', '.join(self._scopes)}"

    def _sound(self, scope: str, axis: str, pmf: Pmf, rows: int) -> None:
        where = f"{axis}() of scope {scope!r}"
        if pmf.mass.ndim != 2 or pmf.first.shape != (rows,) or pmf.mass.shape[0] != rows:
            raise _FaultError(
                f"{where} has shapes {pmf.first.shape} and {pmf.mass.shape} for {rows} states",
                "Give `first` of shape (rows,) and `mass` of shape (rows, width).",
            )
        off = np.abs(pmf.mass.sum(axis=1) - 1.0)
        bad = ~(off <= SUM_OFF) | (pmf.mass.min(axis=1) < -SUM_OFF)
        if bad.any():
            row = int(bad.argmax())
            raise _FaultError(
                f"{where}: {int(bad.sum())} of {rows} rows are no distribution; row {row} adds up "
                f"to {float(pmf.mass[row].sum()):.12g}, its least mass is "
                f"{float(pmf.mass[row].min()):.3g}; the state: {self._told(row)}",
                "Normalise each row; give NaN in no state.",
            )

    def _leaves(self) -> str:
        given = {name: column.copy() for name, column in self._states.columns.items()}
        self._ask(given)
        changed = [
            name
            for name, column in given.items()
            if column.tobytes() != self._states.columns[name].tobytes()
        ]
        if changed:
            raise _FaultError(
                f"price() changed the column {', '.join(changed)} that it was given",
                "Copy a column before changing it: other models and markets read it as well.",
            )
        return ""

    def _again(self) -> str:
        first = self._bytes(self._states.columns)
        other = {name: column[::-1].copy() for name, column in self._states.columns.items()}
        self._ask(other)
        if self._bytes(self._states.columns) != first:
            raise _FaultError(
                "the same states got another answer after other ones had been asked about",
                "Keep nothing between calls, and draw nothing at random.",
            )
        return ""

    def _alone(self) -> str:
        whole = self._ask(self._states.columns)
        rows = np.linspace(0, len(self._states) - 1, min(ALONE, len(self._states))).astype(int)
        for row in rows.tolist():
            one = self._ask({n: c[row : row + 1] for n, c in self._states.columns.items()})
            for scope in self._scopes:
                for axis in AXES:
                    beside, alone = (getattr(of[scope], axis)() for of in (whole, one))
                    if _kept(beside, row) != _kept(alone, 0):
                        raise _FaultError(
                            f"{axis}() of scope {scope!r}: state {row} has another answer alone "
                            f"than among {len(self._states)}: {self._told(row)}",
                            "Work out each row by itself; sums over rows differ in the last bits.",
                        )
        return f"{len(rows)} states"

    def _unknown(self) -> str:
        unknown = {name: np.full(len(self._states), np.nan) for name in self._states.columns}
        cases = [({**self._states.columns, name: unknown[name]}, name) for name in unknown]
        for columns, name in [*cases, (unknown, "every input")]:
            try:
                answer = self._ask(columns)
                for scope, axis, pmf in self._marginals(answer):
                    self._sound(scope, axis, pmf, len(self._states))
            except _FaultError as found:
                raise _FaultError(
                    f"without {name}: {found.fault}",
                    "Put a usual value in the place of NaN, and widen what it stands for.",
                ) from found
            except Exception as failed:
                raise _FaultError(
                    f"without {name}: {type(failed).__name__}: {failed}",
                    "Put a usual value in the place of NaN, and widen what it stands for.",
                ) from failed
        return f"{len(cases)} inputs"

    def _points(self) -> str:
        columns = self._states.columns
        if not {"home_score", "away_score"} <= columns.keys():
            return "reads no scores"
        answer = self._ask(columns)["game"]
        home, away = (np.nan_to_num(columns[f"{side}_score"]) for side in ("home", "away"))
        for axis, scored in (("total", home + away), ("home", home), ("away", away)):
            pmf = getattr(answer, axis)()
            numbers = pmf.first[:, None] + np.arange(pmf.mass.shape[1])
            lost = np.where(numbers < scored[:, None], pmf.mass, 0.0).sum(axis=1)
            if (lost > SUM_OFF).any():
                row = int(lost.argmax())
                raise _FaultError(
                    f"{axis}(): a chance of {float(lost[row]):.3g} of fewer points than are scored "
                    f"already: {self._told(row)}",
                    "Distributions are of final points: what is scored plus what is to come.",
                )
        return ""

    def _monotone(self) -> str:
        if "home_score" not in self._states.columns:
            return "reads no scores"
        before = None
        for lead in range(4):
            columns = dict(self._states.columns)
            columns["home_score"] = columns["home_score"] + lead
            margin = self._ask(columns)["game"].margin()
            wins = above(margin, np.zeros(len(margin.first)))
            if before is not None and (fell := before - wins).max() > SUM_OFF:
                row = int(fell.argmax())
                raise _FaultError(
                    f"a point more for home takes {float(fell[row]):.3g} from its chance: "
                    f"{self._told(row)}",
                    "Look for a feature whose weight turns the sign of the lead round.",
                )
            before = wins
        return ""

    def _agrees(self) -> str:
        worst = 0.0
        for scope, found in self._ask(self._states.columns).items():
            margin, total, home, away = (mean(getattr(found, axis)()) for axis in AXES)
            off = np.maximum(np.abs(home - away - margin), np.abs(home + away - total))
            worst = max(worst, float(off.max()))
            allowed = 0.5 + 0.05 * total
            if (off > allowed).any():
                row = int((off - allowed).argmax())
                raise _FaultError(
                    f"scope {scope!r}: means of home {home[row]:.2f} and away {away[row]:.2f} do "
                    f"not fit a margin of {margin[row]:.2f} and a total of {total[row]:.2f}: "
                    f"{self._told(row)}",
                    "Take all four from one joint distribution.",
                )
        return f"means within {worst:.2f} points"

    def _doubts(self) -> str:
        answer, told = self._ask(self._states.columns), []
        for scope in self._scopes:
            found = answer[scope]
            said = found.doubt() if isinstance(found, Doubted) else None
            if said is None:
                continue
            told.append(scope)
            for axis in AXES:
                share = np.asarray(getattr(said, axis))
                where = f"doubt() of scope {scope!r}: {axis}"
                if share.shape != (len(self._states),):
                    raise _FaultError(
                        f"{where} has shape {share.shape} for {len(self._states)} states",
                        "Give one share a row.",
                    )
                bad = ~((share >= 0.0) & (share < 1.0))
                if bad.any():
                    row = int(bad.argmax())
                    raise _FaultError(
                        f"{where} is {float(share[row]):.3g} in state {row}: {self._told(row)}",
                        "Give the share of the deviation that is doubt: from 0 to below 1, no NaN.",
                    )
        return ", ".join(told) or "says none: prices have no interval"

    def _speed(self) -> str:
        began = time.perf_counter()
        answer = self._ask(self._states.columns)
        for scope in self._scopes:
            for axis in ("margin", "total"):
                getattr(answer[scope], axis)()
        each = (time.perf_counter() - began) * 1e6 / len(self._states)
        if each > SLOW_US:
            raise _FaultError(
                f"{each:,.0f} µs a state in batches of {len(self._states):,}",
                "Compute in columns: no Python loop over the rows.",
            )
        return f"{each:.1f} µs a state in batches of {len(self._states):,}"

    def _marginals(self, answer: Answer) -> Iterator[tuple[str, str, Pmf]]:
        for scope in self._scopes:
            if scope not in answer:
                raise _FaultError(
                    f"price() gave no distribution for scope {scope!r}, which the model declares",
                    "Return a mapping with every scope of `scopes`.",
                )
            for axis in AXES:
                yield scope, axis, getattr(answer[scope], axis)()

    def _bytes(self, columns: Mapping[str, np.ndarray]) -> list[bytes]:
        answer = self._ask(columns)
        return [
            part.tobytes()
            for _, _, pmf in self._marginals(answer)
            for part in (pmf.first, np.ascontiguousarray(pmf.mass))
        ]

    def _told(self, row: int) -> str:
        """Return a state in words."""
        known = {
            name: float(column[row])
            for name, column in self._states.columns.items()
            if not np.isnan(column[row])
        }
        return ", ".join(f"{name} {value:g}" for name, value in known.items()) or "nothing known"


def _kept(pmf: Pmf, row: int) -> tuple[int, bytes]:
    """Return the numbers that have any mass and the bits of it."""
    there: Any = np.flatnonzero(pmf.mass[row])
    if not len(there):
        return 0, b""
    first, last = int(there[0]), int(there[-1])
    mass = np.ascontiguousarray(pmf.mass[row, first : last + 1])
    return int(pmf.first[row]) + first, mass.tobytes()

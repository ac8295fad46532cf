"""Verdicts: which markets of a cut may go out, which anomaly holds them back, and how it counts."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.rejects import Reason
from oddspipe.core.names import Policy
from oddspipe.core.parts import KindPlan, OddsPlan, Rule
from oddspipe.core.stages.anomalies import NOBODY, STALE, Anomalies
from oddspipe.core.stages.board import PASSES, Cuts
from oddspipe.core.stages.breaker import ERROR_RATE
from oddspipe.core.stages.fold import Folded
from oddspipe.core.stages.guard import AFTER_END, BELOW_SCORE, BUILT_IN, FROZEN, Cause, Guards
from oddspipe.core.stages.isolate import RawBoards
from oddspipe.core.stages.protocol import Account
from oddspipe.core.stages.slots import Shape
from oddspipe.ext import _fold_state as s

STALE_INPUT, MODEL_ERROR, TOO_MANY_REJECTS = -2, -3, -4
"""Verdicts on every market of a cut, beside the guards' numbers."""

_BLAMED = {
    STALE_INPUT: "stale_input",
    MODEL_ERROR: "model_error",
    TOO_MANY_REJECTS: ERROR_RATE,
}


class Refused(NamedTuple):
    """A cut whose event becomes a dead letter although it was folded, and why."""

    cut: int
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What is held against the markets of some cuts.

    Attributes:
        verdict: PASSES, or what suspends a market; shape (cuts, markets).
        judge: Given probabilities that were published before, the guards' own verdicts.
        bits: Which guards fired, a bit a guard, once `judge` was asked; shape (cuts, markets).
        priced: Cuts that have a price to judge.
    """

    verdict: NDArray[np.int64]
    judge: Callable[[NDArray[np.float64]], NDArray[np.int64]]
    bits: NDArray[np.uint64]
    built_in: NDArray[np.int64]
    priced: NDArray[np.bool_]


class Verdicts:
    """Judge boards by guards, rules and silence, and count each anomaly once.

    Args:
        kinds: Kinds of events.
        rules: Rules of the spec.
        odds: What is priced, with its guards and policies.
        shape: Markets of a board.
        columns: Names of the state's columns, derived ones last.
    """

    def __init__(
        self,
        kinds: tuple[KindPlan, ...],
        rules: tuple[Rule, ...],
        odds: OddsPlan,
        shape: Shape,
        columns: tuple[str, ...],
    ) -> None:
        """Compile the guards.

        Raises:
            SpecError: SQL of a guard has a fault.
        """
        self._guards = Guards(odds.guards, shape, kinds, columns)
        self._anomalies = Anomalies(shape.markets)
        self._rules = rules
        self._names = (*self._guards.names, *(rule.name for rule in rules))
        self._alert_if_frozen = dict(odds.policies).get(BUILT_IN[FROZEN]) == Policy.ALERT
        self._refuses = _refusing(odds)

    def reads(self, columns: Collection[str]) -> bool:
        """Say whether a guard reads one of these columns."""
        return not self._guards.uses.isdisjoint(columns)

    def make_room(self, games: int) -> None:
        """Make room for as many games."""
        self._anomalies.make_room(games)

    def reason(self, verdict: int) -> str:
        """Return the word that a message gives for a verdict."""
        return _BLAMED.get(verdict) or f"guard:{self._names[verdict]}"

    def counted(self, folded: Folded, account: Account) -> Folded:
        """Count what rules and silence found; a frozen game that only alerts makes no cut."""
        flag, mode = account.flag, folded.cuts[:, s.CUT_MODE]
        for rule in folded.detail[folded.detail >= 0].tolist() + folded.flagged[:, 1].tolist():
            flag(self._rules[rule].name)
        still = mode == s.STILL
        flag(STALE, int(np.count_nonzero(mode == s.SILENT)))
        flag(BUILT_IN[FROZEN], int(np.count_nonzero(still)))
        if self._alert_if_frozen and still.any():
            return replace(folded, cuts=folded.cuts[~still], values=folded.values[~still])
        return folded

    def judged(  # noqa: PLR0913 - what a verdict rests on
        self,
        folded: Folded,
        boards: RawBoards,
        cause: Cause,
        over: NDArray[np.bool_],
        bad: Mapping[int, str],
        *,
        halted: bool,
    ) -> Judged:
        """Judge the cuts' boards, before what was published last is known.

        Args:
            folded: The cuts.
            boards: Their prices.
            cause: What caused them.
            over: Cuts of games that are over.
            bad: Cuts that the model has no price for.
            halted: Whether no market may be open.
        """
        cuts, mode = folded.cuts, folded.cuts[:, s.CUT_MODE]
        built_in = self._guards.built_in(boards, cause)
        built_in[over] = AFTER_END
        verdict = built_in.copy()
        # The spec's own guard, where one fires too, has the better name.
        last_word = verdict == BELOW_SCORE
        verdict[last_word] = PASSES
        held = self._held(folded)
        verdict[held != NOBODY] = held[held != NOBODY, None]
        if not self._alert_if_frozen:
            verdict[cuts[:, s.CUT_FROZEN] != 0] = FROZEN
        verdict[list(bad)] = MODEL_ERROR
        verdict[mode == s.SILENT] = STALE_INPUT
        if halted:
            verdict[:] = TOO_MANY_REJECTS
        bits = np.zeros(verdict.shape, np.uint64)

        def judge(was: NDArray[np.float64]) -> NDArray[np.int64]:
            fired, bits[:] = self._guards.fired(boards, was, cause)
            return np.where((fired == PASSES) & last_word, BELOW_SCORE, fired)

        priced = mode == s.PRICED
        priced[list(bad)] = False
        return Judged(verdict, judge, bits, built_in, priced)

    def count(self, cuts: Cuts, judged: Judged, account: Account) -> list[Refused]:
        """Count each guard once a cut at which it begins to fire; return what it refuses."""
        built_in = judged.built_in
        bits = judged.bits | np.where(built_in == PASSES, 0, 1 << built_in.clip(0)).astype(
            np.uint64
        )
        bits = np.where(judged.priced[:, None], bits, np.uint64(0))
        fresh = self._anomalies.begun(cuts.game, bits, cuts.final)
        refused: list[Refused] = []
        if not fresh.any():
            return refused
        of_cut = np.bitwise_or.reduce(fresh, axis=1)
        for at, name in enumerate(self._guards.names):
            found = np.flatnonzero(of_cut & np.uint64(1 << at))
            account.flag(name, len(found))
            if name in self._refuses:
                refused += [Refused(cut, Reason.GUARD, name) for cut in found.tolist()]
        return sorted(refused)

    def _held(self, folded: Folded) -> NDArray[np.int64]:
        """Return the verdict of the rule that holds each cut's markets back, or NOBODY."""
        cuts = folded.cuts
        first = len(self._guards.names)
        of_row = {
            row: first + rule
            for row, rule in reversed(folded.flagged.tolist())
            if self._rules[rule].policy == Policy.SUSPEND
        }
        said = (
            [of_row.get(row, NOBODY) for row in cuts[:, s.CUT_ROW].tolist()] if of_row else NOBODY
        )
        rule = np.broadcast_to(np.array(said, np.int64), len(cuts))
        return self._anomalies.hold(cuts[:, s.CUT_GAME], cuts[:, s.CUT_AT_ONCE] != 0, rule)

    def snapshot(self) -> bytes:
        """Return which anomalies are under way."""
        return self._anomalies.snapshot()

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        self._anomalies.restore(state)


def _refusing(odds: OddsPlan) -> frozenset[str]:
    """Return the codes of guards whose policy is a dead letter."""
    policies = dict(odds.policies) | {guard.name: guard.policy for guard in odds.guards}
    return frozenset(code for code, policy in policies.items() if policy == Policy.DEAD_LETTER)

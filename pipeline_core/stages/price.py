"""Price: fold events into states, cut prices where they are due, make boards and guard them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import INGEST_TIME, Layout
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.names import Kind, Market, Policy, Side
from oddspipe.core.parts import DerivedColumn, KindPlan, OddsPlan, Rule, StateColumn
from oddspipe.core.ports.output import Odds, Rollups
from oddspipe.core.stages.accuracy import Accuracy, Scorer
from oddspipe.core.stages.anomalies import NOBODY, STALE, Anomalies
from oddspipe.core.stages.board import OPEN, PASSES, STATUSES, Books, Cuts, Published
from oddspipe.core.stages.fold import Fold, Folded
from oddspipe.core.stages.frame import StateFrame, Strings
from oddspipe.core.stages.guard import AFTER_END, BELOW_SCORE, BUILT_IN, FROZEN, Cause, Guards
from oddspipe.core.stages.isolate import Columns, Pricer, Prices, RawBoards
from oddspipe.core.stages.protocol import Account
from oddspipe.core.stages.slots import Shape
from oddspipe.ext import _fold_state as s

STAGE = "price"
STALE_INPUT, MODEL_ERROR = -2, -3
"""Verdicts on every market of a cut, beside the guards' numbers."""
MAX_DEAD_LETTERS = 3
"""Dead letters of one game's failing prices in a row; more would say the same 50 times a second."""
REASONS = {
    Kind.SCORE: "score",
    Kind.MARKET: "market",
    Kind.CLOCK: "clock",
    Kind.TRACKING: "clock",
    Kind.CORRECTION: "correction",
    Kind.DELETE: "correction",
    Kind.GAME_END: "final",
}

_REASON_OF = {int(kind): word for kind, word in REASONS.items()}
_BLAMED = {STALE_INPUT: "stale_input", MODEL_ERROR: "model_error"}
_STATUS_WORDS = np.array([str(status) for status in STATUSES], object)


@dataclass(frozen=True, slots=True)
class PricePlan:
    """What the price stage needs of a plan; the fields are the plan's."""

    layout: Layout
    kinds: tuple[KindPlan, ...]
    state: tuple[StateColumn, ...]
    derived: tuple[DerivedColumn, ...]
    rules: tuple[Rule, ...]
    odds: OddsPlan


Watch = Callable[[NDArray[np.int64], NDArray[np.int64], Columns], None]
"""Is shown cuts (columns `CUT_…`), the row of the states that each has, and the states."""


class Priced(NamedTuple):
    """What one step gives: events that were folded, complete rollups, odds, and rejects."""

    events: Batch
    rollups: Rollups
    odds: Odds
    rejects: Rejects


class _Refused(NamedTuple):
    """A cut whose event becomes a dead letter although it was folded, and why."""

    cut: int
    reason: Reason
    text: str


class _Letter(NamedTuple):
    """The payload behind a price that is due later."""

    position: int
    ingest_us: int
    payload: bytes


class _Saved(msgspec.Struct, array_like=True):
    fold: bytes
    books: bytes
    rollups: int
    letters: list[tuple[int, _Letter]]
    failures: list[tuple[int, int]]
    account: dict[str, int]
    taken: int
    out: int
    anomalies: bytes
    flagged: dict[str, int]
    scores: bytes


class Price:
    """The last stage: a pure function of its input, however that was cut into batches.

    Args:
        plan: The plan's parts.
        model: The model, or what watches over it.
        strings: Names of interned strings by column, growing as they come; for SQL.
        watch: Is shown what the model is asked.
    """

    def __init__(
        self,
        plan: PricePlan,
        model: Prices,
        strings: Strings | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Compile SQL and tables.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        self.account = Account(STAGE)
        self._fold = Fold(plan.layout, plan.kinds, plan.state, plan.rules, plan.odds, strings)
        self._states = StateFrame(plan.state, plan.derived)
        self._shape = Shape.of(plan.odds.markets)
        self._shorter_scopes = not self._shape.is_game.all()
        self._books = Books(self._shape)
        columns = (*(one.name for one in plan.state), *(one.name for one in plan.derived))
        self._guards = Guards(plan.odds.guards, self._shape, plan.kinds, columns)
        self._anomalies = Anomalies(self._shape.markets)
        self._scorer = Scorer()
        self._home_wins = np.flatnonzero(
            (np.array(self._shape.market) == Market.MONEYLINE)
            & (np.array(self._shape.side) == Side.HOME)
            & self._shape.is_game
        )
        self._rules = plan.rules
        self._verdicts = (*self._guards.names, *(rule.name for rule in plan.rules))
        self._alert_if_frozen = dict(plan.odds.policies).get(BUILT_IN[FROZEN]) == Policy.ALERT
        self._refuses = _refusing(plan.odds)
        self._guards_read_derived = not self._guards.uses.isdisjoint(c.name for c in plan.derived)
        self._pricer = Pricer(model, plan.odds.markets)
        self._names = [column.name for column in plan.state]
        self._rollups = 0
        self._letters: dict[int, _Letter] = {}
        self._failures: dict[int, int] = {}
        self._watch = watch
        self._no_odds = Odds.none()
        self._words = tuple(
            np.array(words, object)
            for words in (self._shape.scope, self._shape.market, self._shape.side)
        )

    def step(self, batch: Batch) -> Priced:
        """Fold a batch and publish what changed by it.

        Raises:
            PluginError: The model hung too often.
        """
        folded = self._counted(self._fold.step(batch))
        failed, odds = self._odds(folded)
        events = self._events(batch, folded)
        rejects = self._rejects(batch, folded, failed)
        self._remember(batch)
        return Priced(events, self._rolled(folded), odds, rejects)

    def _events(self, batch: Batch, folded: Folded) -> Batch:
        """Return the events that went on, numbered anew: rejects leave no gap."""
        gone = int(np.count_nonzero(folded.status))
        self.account.taken += len(batch)
        self.account.out += len(batch) - gone
        if gone:
            kept = np.flatnonzero(folded.status == 0)
            events = batch.take(kept)
            events.numbers = folded.numbers[kept]
            return events
        return Batch(
            batch.words,
            batch.present,
            batch.keys,
            batch.flags,
            batch.positions,
            batch.data,
            batch.starts,
            batch.ends,
            folded.numbers,
            batch.until_us,
        )

    def _rejects(self, batch: Batch, folded: Folded, failed: list[_Refused]) -> Rejects:
        """Return refused rows, then the causes of prices that the model or a guard refused."""
        rows = np.flatnonzero(folded.status)
        if not len(rows) and not failed:
            return Rejects.none(STAGE)
        for reason, count in zip(*np.unique(folded.status[rows], return_counts=True), strict=True):
            name = Reason(int(reason)).name
            self.account.rejected[name] = self.account.rejected.get(name, 0) + int(count)
        letters = [
            (_letter(batch, row), int(folded.status[row]), int(folded.detail[row]), "")
            for row in rows.tolist()
        ]
        for cut, reason, why in failed:
            row, game = folded.cuts[cut, s.CUT_ROW], int(folded.cuts[cut, s.CUT_GAME])
            letter = _letter(batch, int(row)) if row >= 0 else self._letters[game]
            letters.append((letter, int(reason), -1, why))
        return Rejects(
            STAGE,
            np.array([reason for _, reason, _, _ in letters], np.uint8),
            np.array([detail for _, _, detail, _ in letters], np.int16),
            np.array([letter.position for letter, _, _, _ in letters], np.int64),
            np.array([letter.ingest_us for letter, _, _, _ in letters], np.int64),
            [letter.payload for letter, _, _, _ in letters],
            [text for _, _, _, text in letters],
        )

    def _remember(self, batch: Batch) -> None:
        """Keep the payloads behind prices that are due later."""
        pending = self._fold.pending()
        self._letters = {
            game: _letter(batch, row) if row >= 0 else self._letters[game] for game, row in pending
        }

    def _rolled(self, folded: Folded) -> Rollups:
        count = len(folded.rolls)
        numbers = np.arange(self._rollups, self._rollups + count)
        self._rollups += count
        total, low, high = np.ascontiguousarray(folded.sums.T)
        game, second, events = np.ascontiguousarray(folded.rolls.T)
        return Rollups(game, second, numbers, events, total, low, high)

    # Prices.

    def _odds(self, folded: Folded) -> tuple[list[_Refused], Odds]:
        """Price the cuts; return the failures that make a dead letter, and the odds."""
        cuts, mode = folded.cuts, folded.cuts[:, s.CUT_MODE]
        if not len(cuts):
            return [], self._no_odds
        boards = RawBoards.empty(len(cuts), len(self._shape))
        bad = self._price(folded, boards)
        cause = self._cause(folded)
        given = self._given(cuts, cause)
        built_in = self._guards.built_in(boards, cause)
        built_in[self._books.over(given)] = AFTER_END
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
        bits = np.zeros(verdict.shape, np.uint64)

        def judge(was: NDArray[np.float64]) -> NDArray[np.int64]:
            fired, bits[:] = self._guards.fired(boards, was, cause)
            return np.where((fired == PASSES) & last_word, BELOW_SCORE, fired)

        published = self._books.publish(given, boards, verdict, judge)
        judged = mode == s.PRICED
        judged[list(bad)] = False
        bits |= np.where(built_in == PASSES, 0, 1 << built_in.clip(0)).astype(np.uint64)
        refused = self._count_anomalies(given, np.where(judged[:, None], bits, np.uint64(0)))
        failed = [
            _Refused(c, Reason.PLUGIN, w) for c, w in self._count_failures(folded, bad).items()
        ]
        self._score(given, published)
        odds = self._message(folded, published) if len(published.cut) else self._no_odds
        return failed + refused, odds

    def _given(self, cuts: NDArray[np.int64], cause: Cause) -> Cuts:
        """Return the cuts as books take them, with room for their games."""
        games = int(cuts[:, s.CUT_GAME].max()) + 1
        self._books.make_room(games)
        self._anomalies.make_room(games)
        scores = np.array([cause.home_score, cause.away_score])
        return Cuts(cuts[:, s.CUT_GAME], cuts[:, s.CUT_MODE] == s.FINAL, scores)

    def _score(self, cuts: Cuts, published: Published) -> None:
        """Take the chances of the home side that are open in these boards; score ended games."""
        rows = np.flatnonzero(np.isin(published.slot, self._home_wins) & (published.status == OPEN))
        if len(rows):
            game = cuts.game[published.cut[published.board[rows]]]
            self._scorer.take(game, published.prices.p_fair[rows])
        for cut in np.flatnonzero(cuts.final).tolist():
            home, away = cuts.scores[:, cut].tolist()
            self._scorer.end(int(cuts.game[cut]), home, away)

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        return self._scorer.scored

    # Anomalies.

    def _counted(self, folded: Folded) -> Folded:
        """Count what rules and silence found; a frozen game that only alerts makes no cut."""
        flag, mode = self.account.flag, folded.cuts[:, s.CUT_MODE]
        for rule in folded.detail[folded.detail >= 0].tolist() + folded.flagged[:, 1].tolist():
            flag(self._rules[rule].name)
        still = mode == s.STILL
        flag(STALE, int(np.count_nonzero(mode == s.SILENT)))
        flag(BUILT_IN[FROZEN], int(np.count_nonzero(still)))
        if self._alert_if_frozen and still.any():
            return replace(folded, cuts=folded.cuts[~still], values=folded.values[~still])
        return folded

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

    def _count_anomalies(self, cuts: Cuts, bits: NDArray[np.uint64]) -> list[_Refused]:
        """Count each guard once a cut at which it begins to fire; return what it refuses."""
        fresh = self._anomalies.begun(cuts.game, bits, cuts.final)
        refused: list[_Refused] = []
        if not fresh.any():
            return refused
        of_cut = np.bitwise_or.reduce(fresh, axis=1)
        for at, name in enumerate(self._guards.names):
            found = np.flatnonzero(of_cut & np.uint64(1 << at))
            self.account.flag(name, len(found))
            if name in self._refuses:
                refused += [_Refused(cut, Reason.GUARD, name) for cut in found.tolist()]
        return sorted(refused)

    def _price(self, folded: Folded, boards: RawBoards) -> dict[int, str]:
        """Fill the boards of all cuts but stale ones; return the cuts without a price, and why."""
        mode = folded.cuts[:, s.CUT_MODE]
        # The end of a game settles by its scores; a model says how shorter scopes ended.
        asked = np.flatnonzero((mode == s.PRICED) | ((mode == s.FINAL) & self._shorter_scopes))
        if not len(asked):
            return {}
        # A state that did not change since the game's cut before has the price of that one.
        game = folded.cuts[asked, s.CUT_GAME]
        bits = folded.values[asked].view(np.int64)
        order = np.argsort(game, kind="stable")
        same = np.zeros(len(asked), bool)
        same[1:] = (game[order][1:] == game[order][:-1]) & (
            bits[order][1:] == bits[order][:-1]
        ).all(axis=1)
        first = order[np.maximum.accumulate(np.where(same, 0, np.arange(len(asked))))]
        fresh, place = np.unique(first, return_inverse=True)
        made = RawBoards.empty(len(fresh), len(self._shape))
        states = self._states.with_derived(folded.values[asked[fresh]])
        bad = self._pricer.price(states, made)
        of_cut = np.empty(len(asked), np.int64)
        of_cut[order] = place
        if self._watch is not None:
            self._watch(folded.cuts[asked], of_cut, states)
        boards.put(asked, made.take(of_cut))
        return {
            int(asked[cut]): bad[fresh_row]
            for cut, fresh_row in enumerate(of_cut.tolist())
            if fresh_row in bad
        }

    def _cause(self, folded: Folded) -> Cause:
        def state(name: str) -> NDArray[np.float64]:
            if name not in self._names:
                return np.full(len(folded.values), np.nan)
            return np.ascontiguousarray(folded.values[:, self._names.index(name)])

        return Cause(
            folded.cuts[:, s.CUT_KIND],
            folded.cuts[:, s.CUT_AT_ONCE].astype(bool),
            state("home_score"),
            state("away_score"),
            state("period"),
            self._states.with_derived(folded.values)
            if self._guards_read_derived
            else dict(zip(self._names, folded.values.T, strict=True)),
        )

    def _count_failures(self, folded: Folded, bad: dict[int, str]) -> dict[int, str]:
        """Count failing prices of each game in a row; return those that make a dead letter."""
        if not bad and not self._failures:
            return {}
        letters = {}
        for cut, (game, mode) in enumerate(folded.cuts[:, [s.CUT_GAME, s.CUT_MODE]].tolist()):
            if mode != s.PRICED and cut not in bad:
                continue
            if cut not in bad:
                self._failures.pop(game, None)
                continue
            self._failures[game] = self._failures.get(game, 0) + 1
            if self._failures[game] <= MAX_DEAD_LETTERS:
                letters[cut] = bad[cut]
        return letters

    def _reasons(self, folded: Folded, published: Published) -> list[str]:
        """Say in a word why each message went out."""
        cuts = folded.cuts[published.cut]
        reasons = [_REASON_OF.get(kind, "play") for kind in cuts[:, s.CUT_REASON].tolist()]
        blame = published.suspended
        for at in np.flatnonzero(published.opened).tolist():
            reasons[at] = "recovered"
        for at in np.flatnonzero(blame != PASSES).tolist():
            reasons[at] = _BLAMED.get(int(blame[at])) or f"guard:{self._verdicts[blame[at]]}"
        for at in np.flatnonzero(cuts[:, s.CUT_MODE] == s.FINAL).tolist():
            reasons[at] = "final"
        return reasons

    def _message(self, folded: Folded, published: Published) -> Odds:
        """Put the published boards into words."""
        cut, shape, prices = published.cut, self._shape, published.prices
        cuts = folded.cuts[cut]
        slot, (scope, market, side) = published.slot, self._words

        def state(name: str) -> NDArray[np.int64]:
            values = np.zeros(len(cut))
            if name in self._names:
                values = folded.values[cut, self._names.index(name)]
            return np.where(np.isnan(values), 0.0, values).astype(np.int64)

        return Odds(
            game=cuts[:, s.CUT_GAME],
            sequence=published.sequence,
            number=published.number,
            cause_sequence=cuts[:, s.CUT_SEQUENCE],
            cause_kind=cuts[:, s.CUT_KIND],
            cause_number=cuts[:, s.CUT_NUMBER],
            event_time=cuts[:, s.CUT_TIME],
            as_of_us=cuts[:, s.CUT_AS_OF],
            oldest_ingest_us=cuts[:, s.CUT_OLDEST],
            reason=self._reasons(folded, published),
            home_score=state("home_score"),
            away_score=state("away_score"),
            period=state("period"),
            board=published.board,
            scope=scope[slot].tolist(),
            market=market[slot].tolist(),
            side=side[slot].tolist(),
            status=_STATUS_WORDS[published.status].tolist(),
            line=prices.line,
            is_main=shape.is_main[slot],
            p_fair=prices.p_fair,
            p_push=prices.p_push,
            p_booked=prices.p_booked,
            decimal_milli=prices.decimal_milli,
            p_low=prices.p_low,
            p_high=prices.p_high,
        )

    # State.

    def states(self) -> dict[int, dict[str, float]]:
        """Return state and derived columns of every game seen so far, NaN where absent."""
        games, values = self._fold.values()
        if not len(games):
            return {}
        columns = self._states.with_derived(values)
        return {
            game: {name: float(column[row]) for name, column in columns.items()}
            for row, game in enumerate(games.tolist())
        }

    def snapshot(self) -> bytes:
        """Return the whole state, the books included."""
        account = self.account
        return msgspec.msgpack.encode(
            _Saved(
                self._fold.snapshot(),
                self._books.snapshot(),
                self._rollups,
                sorted(self._letters.items()),
                sorted(self._failures.items()),
                dict(sorted(account.rejected.items())),
                account.taken,
                account.out,
                self._anomalies.snapshot(),
                dict(sorted(account.flagged.items())),
                self._scorer.snapshot(),
            )
        )

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, of the same plan."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        self._fold.restore(saved.fold)
        self._books.restore(saved.books)
        self._rollups = saved.rollups
        self._letters = dict(saved.letters)
        self._failures = dict(saved.failures)
        self._anomalies.restore(saved.anomalies)
        self._scorer.restore(saved.scores)
        self.account = Account(STAGE, saved.taken, 0, saved.out, dict(saved.account))
        self.account.flagged = dict(saved.flagged)


def _refusing(odds: OddsPlan) -> frozenset[str]:
    """Return the codes of guards whose policy is a dead letter."""
    policies = dict(odds.policies) | {guard.name: guard.policy for guard in odds.guards}
    return frozenset(code for code, policy in policies.items() if policy == Policy.DEAD_LETTER)


def _letter(batch: Batch, row: int) -> _Letter:
    return _Letter(
        int(batch.positions[row]), int(batch.words[INGEST_TIME, row]), batch.payload(row)
    )

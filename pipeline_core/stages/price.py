"""Price: fold events into states, cut prices where they are due, make boards and guard them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch
from oddspipe.core.batch.layout import INGEST_TIME, Layout
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.names import Kind, Market, Side
from oddspipe.core.parts import DerivedColumn, KindPlan, OddsPlan, Rule, StateColumn
from oddspipe.core.ports.output import Odds, Rollups
from oddspipe.core.stages.accuracy import Accuracy, Scorer
from oddspipe.core.stages.asked import Asked, asked_of
from oddspipe.core.stages.board import OPEN, PASSES, STATUSES, Books, Cuts, Published
from oddspipe.core.stages.fold import Fold, Folded
from oddspipe.core.stages.frame import StateFrame, Strings
from oddspipe.core.stages.guard import Cause
from oddspipe.core.stages.isolate import Columns, Pricer, Prices, RawBoards
from oddspipe.core.stages.protocol import Account
from oddspipe.core.stages.shadow import Shadow, Shadowed
from oddspipe.core.stages.slots import Shape
from oddspipe.core.stages.verdicts import TOO_MANY_REJECTS, Refused, Verdicts
from oddspipe.ext import _fold_state as s

STAGE = "price"
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
    """What one step gives: events that were folded, complete rollups, odds, rejects.

    `shadow` are the prices of a second model for what the odds price.
    """

    events: Batch
    rollups: Rollups
    odds: Odds
    rejects: Rejects
    shadow: Odds


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
    shadow: bytes = b""


class Price:
    """The last stage: a pure function of its input, however that was cut into batches.

    Args:
        plan: The plan's parts.
        model: The model, or what watches over it.
        strings: Names of interned strings by column, growing as they come; for SQL.
        watch: Is shown what the model is asked.
        shadow: A second model, which is asked the same.
        numbered: Keep the numbers that events come with; else they are counted anew.
    """

    def __init__(  # noqa: PLR0913 - what it has to know
        self,
        plan: PricePlan,
        model: Prices,
        strings: Strings | None = None,
        watch: Watch | None = None,
        shadow: Shadow | None = None,
        *,
        numbered: bool = False,
    ) -> None:
        """Compile SQL and tables.

        Raises:
            SpecError: SQL of the plan has a fault.
            OddsError: The plan's markets cannot be made.
        """
        self.account = Account(STAGE)
        parts = (plan.layout, plan.kinds, plan.state, plan.rules, plan.odds)
        self._fold = Fold(*parts, strings, numbered=numbered)
        self._states = StateFrame(plan.state, plan.derived)
        self._shape = Shape.of(plan.odds.markets)
        self._shorter_scopes = not self._shape.is_game.all()
        self._books = Books(self._shape)
        columns = (*(one.name for one in plan.state), *(one.name for one in plan.derived))
        self._verdicts = Verdicts(plan.kinds, plan.rules, plan.odds, self._shape, columns)
        self._scorer = Scorer()
        self._home_wins = np.flatnonzero(
            (np.array(self._shape.market) == Market.MONEYLINE)
            & (np.array(self._shape.side) == Side.HOME)
            & self._shape.is_game
        )
        self._guards_read_derived = self._verdicts.reads([c.name for c in plan.derived])
        self._pricer = Pricer(model, plan.odds.markets)
        self._names = [column.name for column in plan.state]
        self._rollups = 0
        self._letters: dict[int, _Letter] = {}
        self._failures: dict[int, int] = {}
        self._watch = watch
        self._halted = False
        self._shadow = shadow
        self._no_odds = Odds.none()
        self._words = tuple(
            np.array(words, object)
            for words in (self._shape.scope, self._shape.market, self._shape.side)
        )

    def step(self, batch: Batch, *, halted: bool = False) -> Priced:
        """Fold a batch and publish what changed by it.

        Args:
            batch: Events in the order of their games.
            halted: Whether no market may be open, whatever the events say.

        Raises:
            PluginError: The model hung too often.
        """
        folded = self._verdicts.counted(self._fold.step(batch), self.account)
        self._halted = halted
        failed, odds, shadow = self._odds(folded)
        events = self._events(batch, folded)
        rejects = self._rejects(batch, folded, failed)
        self._remember(batch)
        return Priced(events, self._rolled(folded), odds, rejects, shadow)

    def halt(self) -> Odds:
        """Suspend every open market, as of the time reached; return the boards that say so."""
        games, values = self._fold.values()
        here = np.flatnonzero([self._books.open_markets(game) > 0 for game in games.tolist()])
        if not len(here):
            return self._no_odds
        cuts = self._fold.timer_cuts(games[here])
        given = Cuts(
            cuts[:, s.CUT_GAME], np.zeros(len(here), np.bool_), np.full((2, len(here)), np.nan)
        )
        none = RawBoards.empty(len(here), len(self._shape))
        verdict = np.full((len(here), self._shape.markets), TOO_MANY_REJECTS, np.int64)
        published = self._books.publish(given, none, verdict, None)
        return self._message(cuts, values[here], published)

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

    def _rejects(self, batch: Batch, folded: Folded, failed: list[Refused]) -> Rejects:
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

    def _odds(self, folded: Folded) -> tuple[list[Refused], Odds, Odds]:
        """Price the cuts; return the failures that make a dead letter, odds, and the shadow's."""
        cuts = folded.cuts
        if not len(cuts):
            return [], self._no_odds, self._no_odds
        asked = asked_of(folded, self._states, shorter_scopes=self._shorter_scopes)
        boards, bad = self._price(folded, asked)
        cause = self._cause(folded)
        given = self._given(cuts, cause)
        over = self._books.over(given)
        judged = self._verdicts.judged(folded, boards, cause, over, bad, halted=self._halted)
        published = self._books.publish(given, boards, judged.verdict, judged.judge)
        refused = self._verdicts.count(given, judged, self.account)
        failed = [
            Refused(c, Reason.PLUGIN, w) for c, w in self._count_failures(folded, bad).items()
        ]
        said = self._shadow.price(asked, cuts, len(self._shape)) if self._shadow and asked else None
        self._score(given, published, said)
        odds = self._message(folded.cuts, folded.values, published)
        shadow = said.odds(odds, published) if said is not None else self._no_odds
        return failed + refused, odds, shadow

    def _price(self, folded: Folded, asked: Asked | None) -> tuple[RawBoards, dict[int, str]]:
        """Return the boards of all cuts, and the cuts without a price, and why."""
        if asked is None:
            return RawBoards.empty(len(folded.cuts), len(self._shape)), {}
        boards, bad = asked.answered(self._pricer, len(self._shape))
        if self._watch is not None:
            self._watch(folded.cuts[asked.cuts], asked.of_cut, asked.states)
        return boards, bad

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

    def _given(self, cuts: NDArray[np.int64], cause: Cause) -> Cuts:
        """Return the cuts as books take them, with room for their games."""
        games = int(cuts[:, s.CUT_GAME].max()) + 1
        self._books.make_room(games)
        self._verdicts.make_room(games)
        scores = np.array([cause.home_score, cause.away_score])
        return Cuts(cuts[:, s.CUT_GAME], cuts[:, s.CUT_MODE] == s.FINAL, scores)

    def _score(self, cuts: Cuts, published: Published, said: Shadowed | None) -> None:
        """Take the chances of the home side that are open in these boards; score ended games."""
        rows = np.flatnonzero(np.isin(published.slot, self._home_wins) & (published.status == OPEN))
        cut = published.cut[published.board[rows]]
        if len(rows):
            self._scorer.take(cuts.game[cut], published.prices.p_fair[rows])
        scorers = [self._scorer]
        if self._shadow is not None:
            scorers.append(self._shadow.scorer)
            if said is not None and len(there := np.flatnonzero(said.given[cut])):
                p_home = said.boards.p_fair[cut[there], published.slot[rows[there]]]
                self._shadow.scorer.take(cuts.game[cut[there]], p_home)
        for ended in np.flatnonzero(cuts.final).tolist():
            home, away = cuts.scores[:, ended].tolist()
            for scorer in scorers:
                scorer.end(int(cuts.game[ended]), home, away)

    @property
    def accuracy(self) -> Accuracy:
        """Return how good the published chances of finished games were."""
        return self._scorer.scored

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

    def _reasons(self, cuts: NDArray[np.int64], published: Published) -> list[str]:
        """Say in a word why each message went out."""
        reasons = [_REASON_OF.get(kind, "play") for kind in cuts[:, s.CUT_REASON].tolist()]
        blame = published.suspended
        for at in np.flatnonzero(published.opened).tolist():
            reasons[at] = "recovered"
        for at in np.flatnonzero(blame != PASSES).tolist():
            reasons[at] = self._verdicts.reason(int(blame[at]))
        for at in np.flatnonzero(cuts[:, s.CUT_MODE] == s.FINAL).tolist():
            reasons[at] = "final"
        return reasons

    def _message(
        self, made: NDArray[np.int64], values: NDArray[np.float64], published: Published
    ) -> Odds:
        """Put the published boards of cuts and their states into words."""
        if not len(published.cut):
            return self._no_odds
        cut, shape, prices = published.cut, self._shape, published.prices
        cuts = made[cut]
        slot, (scope, market, side) = published.slot, self._words

        def state(name: str) -> NDArray[np.int64]:
            found = np.zeros(len(cut))
            if name in self._names:
                found = values[cut, self._names.index(name)]
            return np.where(np.isnan(found), 0.0, found).astype(np.int64)

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
            reason=self._reasons(cuts, published),
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

    def live_states(self) -> dict[str, NDArray[np.float64]]:
        """Return state and derived columns of the games under way, a row a game."""
        return self._states.with_derived(self._fold.live_values())

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
                self._verdicts.snapshot(),
                dict(sorted(account.flagged.items())),
                self._scorer.snapshot(),
                self._shadow.snapshot() if self._shadow is not None else b"",
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
        self._verdicts.restore(saved.anomalies)
        self._scorer.restore(saved.scores)
        if self._shadow is not None:
            self._shadow.restore(saved.shadow)
        self.account = Account(STAGE, saved.taken, 0, saved.out, dict(saved.account))
        self.account.flagged = dict(saved.flagged)


def _letter(batch: Batch, row: int) -> _Letter:
    return _Letter(
        int(batch.positions[row]), int(batch.words[INGEST_TIME, row]), batch.payload(row)
    )

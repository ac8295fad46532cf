"""Play a test through the stages of a partition, and gather what comes out."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from oddspipe.core.adapters.dead_letters import FIELD_REASONS, RULE_REASONS
from oddspipe.core.batch.batch import AFTER_GAP, LATE_AMENDED
from oddspipe.core.batch.layout import GAME_ID, KIND, SEQUENCE
from oddspipe.core.batch.rejects import COUNTED_ONLY, Reason, Rejects
from oddspipe.core.batch.rules import frame
from oddspipe.core.cases.given import START_US, Named, Sender, Sent
from oddspipe.core.names import FieldType
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.output import Output
from oddspipe.core.runtime.books import anomalies_by_code, assert_balanced
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.spec.cases import CaseSpec, Plain
from oddspipe.core.stages.isolate import Prices
from oddspipe.core.stages.normalise import timers_of

Row = dict[str, Plain]
MarketKey = tuple[str, str, str]
"""Game, scope and market."""


@dataclass(frozen=True, slots=True)
class Came:
    """What became of one entry of a test: its time, the entry in words, and the outcome."""

    at_us: int
    told: str
    became: str


@dataclass(slots=True)
class Played:
    """All that came of a test, in order.

    Attributes:
        events: Normalised events, timers left out; every field that was sent.
        rejects: reason, game_id, sequence, rule, field and text of each.
        odds: game_id, sequence and reason of each odds message.
        prices: Rows of the last message of each market.
        states: State and derived columns at the end, by game; None where absent.
        duplicates, dropped, held: Counts of the order stage.
        anomalies: How many began, by code.
        came: What became of each entry.
    """

    events: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    odds: list[Row] = field(default_factory=list)
    prices: dict[MarketKey, list[Row]] = field(default_factory=dict)
    states: dict[str, Row] = field(default_factory=dict)
    duplicates: int = 0
    dropped: int = 0
    held: int = 0
    anomalies: dict[str, int] = field(default_factory=dict)
    came: list[Came] = field(default_factory=list)


def play(plan: Plan, model: Prices, case: CaseSpec) -> Played:
    """Play a test, one entry after the other, through the chain that a run has.

    Raises:
        PluginError: The model hung too often.
        RunError: The books do not balance.
    """
    player = _Player(plan, model)
    sender = Sender(plan)
    for entry in case.given:
        player.take(sender.send(entry))
    return player.end()


class _Player:
    """Puts payloads through a chain and takes down what comes out."""

    def __init__(self, plan: Plan, model: Prices) -> None:
        self._plan = plan
        self._chain = PartitionChain(plan, model)
        self._timers = timers_of(plan.kinds)
        self._names: dict[int, Named] = {}
        self._columns = [
            column.name for column in plan.layout.columns if column.type is not FieldType.BYTES
        ]
        self._blobs = [
            (at, column.name)
            for at, column in enumerate(plan.layout.columns)
            if column.type is FieldType.BYTES
        ]
        self.played = Played()

    def take(self, sent: Sent) -> None:
        """Put one entry through the stages."""
        first = int(sent.payloads.positions[0])
        self._names |= {first + row: name for row, name in enumerate(sent.names)}
        became: list[str] = []
        for output in self._chain.steps(sent.payloads):
            became += [*self._events(output, first), *self._rejects(output, first)]
            became += [*self._counts(), *self._odds(output, sent)]
        self.played.came.append(Came(sent.at_us, sent.told, ", ".join(became) or "nothing"))

    def end(self) -> Played:
        """Return everything, the states at the end with it."""
        assert_balanced(self._chain.accounts)
        self.played.anomalies = anomalies_by_code(self._chain.accounts)
        self.played.states = {
            game: {name: None if math.isnan(value) else value for name, value in state.items()}
            for game, state in self._chain.states().items()
        }
        return self.played

    def _events(self, output: Output, first: int) -> Iterator[str]:
        kept = np.flatnonzero(~np.isin(output.events.words[KIND], self._timers))
        batch = output.events.take(kept)
        rows = frame(batch, self._plan.layout, self._columns, output.strings).to_dicts()
        for at, row in enumerate(rows):
            event = {name: value for name, value in row.items() if value is not None}
            for column, name in self._blobs:
                if batch.present[at] >> np.uint64(column) & np.uint64(1):
                    event[name] = batch.bytes_of(column, at).decode(errors="replace")
            self.played.events.append(event)
            flags = int(batch.flags[at])
            told = "amended late" if flags & LATE_AMENDED else "taken"
            told += " after a gap" if flags & AFTER_GAP else ""
            if batch.positions[at] < first:
                game = output.strings[GAME_ID][int(batch.words[GAME_ID, at])]
                told = f"{game} {batch.words[SEQUENCE, at]} {told}"
            yield told

    def _rejects(self, output: Output, first: int) -> Iterator[str]:
        for rejects in output.rejects:
            for row in range(len(rejects)):
                if Reason(int(rejects.reason[row])) in COUNTED_ONLY:
                    continue
                reject = self._reject(rejects, row)
                self.played.rejects.append(reject)
                whom = reject.get("rule") or reject.get("field") or ""
                told = f"rejected {reject['reason']} {whom}".rstrip()
                text = f": {reject['text']}" if reject.get("text") else ""
                if rejects.position[row] < first and "game_id" in reject:
                    told = f"{reject['game_id']} {reject['sequence']} {told}"
                yield told + text

    def _reject(self, rejects: Rejects, row: int) -> Row:
        reason, detail = Reason(int(rejects.reason[row])), int(rejects.detail[row])
        found: Row = {}
        name = self._names.get(int(rejects.position[row]))
        if name is not None:
            found = {"game_id": name[0], "sequence": name[1]}
        found["reason"] = reason.name
        if reason in RULE_REASONS and detail >= 0:
            found["rule"] = self._plan.rules[detail].name
        if reason in FIELD_REASONS and detail >= 0:
            found["field"] = self._plan.layout.columns[detail].name
        if rejects.text and rejects.text[row]:
            found["text"] = rejects.text[row]
        return found

    def _counts(self) -> Iterator[str]:
        """Tell what the order stage counted or holds since the entry before."""
        books = next(one for one in self._chain.accounts if one.stage == "order")
        played = self.played
        dropped = sum(books.dropped.values())
        if books.duplicates > played.duplicates:
            yield "duplicate"
        if dropped > played.dropped:
            yield "dropped as late"
        if books.held_after > played.held:
            yield "held"
        played.duplicates, played.dropped, played.held = (
            books.duplicates,
            dropped,
            books.held_after,
        )

    def _odds(self, output: Output, sent: Sent) -> Iterator[str]:
        odds = output.odds
        for at in range(len(odds)):
            game = output.games[int(odds.game[at])]
            message: Row = {
                "game_id": game,
                "sequence": int(odds.sequence[at]),
                "reason": odds.reason[at],
            }
            self.played.odds.append(message)
            rows = [self._price(output, row) for row in np.flatnonzero(odds.board == at).tolist()]
            self.played.prices |= _by_market(game, rows)
            when = int(odds.as_of_us[at]) - START_US
            later = f" at {when / 1e6:g}s" if when != sent.at_us else ""
            yield f"odds {game} {message['sequence']} ({message['reason']}){later}"

    @staticmethod
    def _price(output: Output, row: int) -> Row:
        odds = output.odds
        line = float(odds.line[row])
        return {
            "scope": odds.scope[row],
            "market": odds.market[row],
            "side": odds.side[row],
            "line": None if math.isnan(line) else line,
            "is_main": bool(odds.is_main[row]),
            "p_fair": float(odds.p_fair[row]),
            "p_push": float(odds.p_push[row]),
            "decimal": int(odds.decimal_milli[row]) / 1000,
            "status": odds.status[row],
        }


def _by_market(game: str, rows: list[Row]) -> Mapping[MarketKey, list[Row]]:
    """Put the rows of one message under the markets that they replace."""
    found: dict[MarketKey, list[Row]] = {}
    for row in rows:
        found.setdefault((game, str(row["scope"]), str(row["market"])), []).append(row)
    return found

"""Normalise: payloads to columns, every field checked, every row-wise rule applied."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.batch.batch import Batch, Payloads
from oddspipe.core.batch.layout import KIND, Layout
from oddspipe.core.batch.rejects import Reason, Rejects
from oddspipe.core.batch.rules import RuleSet
from oddspipe.core.errors import StateError
from oddspipe.core.names import TIMER_KINDS
from oddspipe.core.parts import KindPlan, Rule
from oddspipe.core.stages.breaker import ERROR_RATE, ErrorRate
from oddspipe.core.stages.protocol import Account, behind
from oddspipe.ext.decode import DecodeTable, decode

VERSION = b"normalise-2\n"


def timers_of(kinds: Sequence[KindPlan]) -> tuple[int, ...]:
    """Return the kind numbers that move the time and belong to no game."""
    own = {kind.number for kind in kinds if kind.like in TIMER_KINDS}
    return tuple(sorted(own | {int(kind) for kind in TIMER_KINDS}))


class Normalise:
    """Decode payloads, check every field and apply the rules about single events.

    Args:
        layout: Columns of the plan.
        kinds: Kinds of the plan.
        rules: Rules of the plan, in its order; temporal ones are left to the fold.
        max_payload_bytes: Longest payload.
        max_names: Most distinct strings of one column.
        stage: Name in the books.
        breaker: Says where a step ends because too much is turned away.
    """

    def __init__(  # noqa: PLR0913 - the parts of a plan that it works by
        self,
        layout: Layout,
        kinds: Sequence[KindPlan],
        rules: Sequence[Rule] = (),
        *,
        max_payload_bytes: int = 65536,
        max_names: int = 1_000_000,
        stage: str = "normalise",
        breaker: ErrorRate | None = None,
    ) -> None:
        self.account = Account(stage)
        self._breaker = breaker
        self._timers = timers_of(kinds)
        self._table = DecodeTable(
            [
                (
                    c.number,
                    c.type,
                    c.required,
                    c.low,
                    c.high,
                    c.max_bytes,
                    tuple(v for _, v in c.values),
                )
                for c in layout.columns
            ],
            timers=self._timers,
            max_payload=max_payload_bytes,
            max_names=max_names,
        )
        self._columns = len(layout)
        own = [(at, rule) for at, rule in enumerate(rules) if not rule.temporal]
        self._rules = RuleSet([(rule.sql, rule.on) for _, rule in own], layout)
        self._rule_number = np.array([at for at, _ in own], np.int16)
        self._rule_names = [rule.name for rule in rules]

    @property
    def strings(self) -> dict[int, list[str]]:
        """Return the names of every string column by column; the lists only ever grow."""
        return {column: names.by_number() for column, names in self._table.names.items()}

    def step(self, payloads: Payloads) -> tuple[Batch, NDArray[np.uint8], Rejects]:
        """Return a row for each payload, the status of each (0 is good), and the rejects.

        Rows that were turned away stay in the batch: they still move the time of the partition,
        and where game and sequence are known nobody waits for them. Where the breaker opens or
        closes, the rows end; what follows is to be given again.
        """
        n = len(payloads)
        words = np.empty((self._columns, n), np.int64)
        present, keys = np.empty(n, np.uint64), np.empty((2, n), np.uint64)
        status, detail = np.empty(n, np.uint8), np.empty(n, np.int16)
        unmapped = _unmapped(payloads)
        ends = payloads.ends
        if len(unmapped):
            # To the decoder they are empty: their bytes are no event, and name nothing.
            ends = ends.copy()
            ends[unmapped] = payloads.starts[unmapped]
        decode(
            (payloads.data, payloads.starts, ends, payloads.ingest_us),
            self._table,
            (words, present, keys, status, detail),
        )
        batch = Batch(
            words, present, keys, np.zeros(n, np.uint8), payloads.positions, payloads.data,
            payloads.starts, payloads.ends, np.full(n, -1, np.int64),
            int(payloads.ingest_us.max(initial=0)),
        )  # fmt: skip
        self._apply_rules(batch, status, detail)
        status[unmapped], detail[unmapped] = Reason.MAPPING, -1
        if (n := self._allowed(batch, status, payloads.ingest_us)) < len(payloads):
            # Names in the rows behind are numbered already: they get the same numbers again.
            payloads, batch = payloads.part(0, n), _first(batch, payloads, n)
            status, detail = status[:n], detail[:n]
        self._flag_rules(status, detail)
        rejects = self._rejects(payloads, status, detail)
        self.account.taken += n
        self.account.out += n - len(rejects)
        return batch, status, rejects

    def _apply_rules(
        self, batch: Batch, status: NDArray[np.uint8], detail: NDArray[np.int16]
    ) -> None:
        if not len(self._rules):
            return
        failed = self._rules.failed(batch, self.strings)
        at = np.flatnonzero(failed >= 0)
        at = at[(status[at] == Reason.OK) & ~np.isin(batch.words[KIND, at], self._timers)]
        if not len(at):
            return
        status[at] = Reason.RULE
        detail[at] = self._rule_number[failed[at]]

    def _flag_rules(self, status: NDArray[np.uint8], detail: NDArray[np.int16]) -> None:
        if not len(self._rules):
            return
        broken = detail[status == Reason.RULE]
        for rule, count in zip(*np.unique(broken, return_counts=True), strict=True):
            self.account.flag(self._rule_names[rule], int(count))

    def _allowed(self, batch: Batch, status: NDArray[np.uint8], times_us: NDArray[np.int64]) -> int:
        """Return how many of the rows the breaker lets go on."""
        breaker = self._breaker
        if breaker is None:
            return len(batch)
        opened = breaker.opened
        bad = status != Reason.OK
        counts = bad | ~np.isin(batch.words[KIND], self._timers)
        allowed = breaker.take(times_us, counts, bad)
        self.account.flag(ERROR_RATE, breaker.opened - opened)
        return allowed

    def _rejects(
        self, payloads: Payloads, status: NDArray[np.uint8], detail: NDArray[np.int16]
    ) -> Rejects:
        rows = np.flatnonzero(status)
        if not len(rows):
            return Rejects.none(self.account.stage)
        for reason, count in zip(*np.unique(status[rows], return_counts=True), strict=True):
            name = Reason(reason).name
            self.account.rejected[name] = self.account.rejected.get(name, 0) + int(count)
        size = len(payloads.data)
        whole = (payloads.starts[rows] >= 0) & (payloads.ends[rows] <= size)
        why = payloads.unmapped
        return Rejects(
            self.account.stage,
            status[rows],
            detail[rows],
            payloads.positions[rows],
            payloads.ingest_us[rows],
            [
                payloads.bytes_at(row) if inside else b""
                for row, inside in zip(rows.tolist(), whole.tolist(), strict=True)
            ],
            [why.get(at, "") for at in payloads.positions[rows].tolist()] if why else [],
        )

    def snapshot(self) -> bytes:
        """Return the names of every string column and the books."""
        books = json.dumps(asdict(self.account), sort_keys=True).encode()
        parts = (books, b"" if self._breaker is None else self._breaker.snapshot())
        lengths = struct.pack("<II", *(len(part) for part in parts))
        return VERSION + lengths + b"".join(parts) + self._table.snapshot()

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, of the same plan.

        Raises:
            StateError: The bytes are no such state.
        """
        at = behind(VERSION, state, "normalise")
        try:
            of_books, of_breaker = struct.unpack_from("<II", state, at)
            at += 8
            books = json.loads(state[at : at + of_books])
            at += of_books
            if self._breaker is not None:
                self._breaker.restore(state[at : at + of_breaker])
            self._table.restore(state[at + of_breaker :])
        except (ValueError, struct.error) as wrong:
            raise StateError(
                f"the saved state of the normalise stage is damaged: {wrong}"
            ) from wrong
        self.account = Account(**books)


def _first(batch: Batch, payloads: Payloads, count: int) -> Batch:
    """Return the first rows of a batch, and the time that they reach."""
    cut = batch.take(np.arange(count))
    cut.until_us = int(payloads.ingest_us[:count].max(initial=0))
    return cut


def _unmapped(payloads: Payloads) -> NDArray[np.int64]:
    """Return the rows whose record did not map to an event."""
    found = np.fromiter(payloads.unmapped, np.int64, len(payloads.unmapped))
    return np.flatnonzero(np.isin(payloads.positions, found))

"""Events as the provider's JSON messages: a spec's mapping the other way round, to serve a feed."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import polars as pl

from oddspipe.core.batch.batch import SPAN_LENGTH_BITS, Batch, Payloads
from oddspipe.core.batch.rules import frame
from oddspipe.core.batch.sql_types import event_types
from oddspipe.core.errors import UsageError
from oddspipe.core.names import FieldType, Kind
from oddspipe.core.parts import RecordedEvent
from oddspipe.core.plan.model import Plan
from oddspipe.core.stages.normalise import Normalise

_NAME: Final = re.compile(r'\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>[A-Za-z_]\w*))\s*')
_EQUALS: Final = re.compile(r"""(?:"([^"]+)"|([A-Za-z_]\w*))\s*=\s*'([^']*)'""")
_AMONG: Final = re.compile(
    r"""(?:"([^"]+)"|([A-Za-z_]\w*))\s+(NOT\s+)?IN\s*\(([^)]*)\)""", re.IGNORECASE
)


class ProviderJson:
    """Writes events as messages that the spec's `feed.mapping` reads as the same events.

    Args:
        plan: What is served; its feed has `format: json`.
    """

    def __init__(self, plan: Plan) -> None:
        """Turn the mapping round.

        Raises:
            UsageError: The feed is no JSON, or a field is an expression that has no way back.
        """
        if plan.feed.format != "json":
            raise UsageError(f"{plan.sport}: its feed has no JSON messages to make")
        self._plan = plan
        self._normalise = Normalise(
            plan.layout, plan.kinds, max_payload_bytes=plan.max_payload_bytes
        )
        self._numbers = {"heartbeat": int(Kind.HEARTBEAT)}
        self._numbers |= {kind.name: kind.number for kind in plan.kinds}
        self._entries = {
            self._numbers[entry.kind]: _Entry(plan, entry) for entry in plan.feed.mapping
        }
        games = (dict(entry.fields).get("game_id") for entry in plan.feed.mapping)
        self.game_member = next((name for name in games if name is not None), None)
        self._json = msgspec.json.Encoder()

    def messages(self, payloads: Payloads) -> list[dict[str, Any]]:
        """Return a message for each event; kinds that the provider does not send are left out."""
        batch, _, _ = self._normalise.step(payloads)
        layout = self._plan.layout
        bytes_ = [column.name for column in layout.columns if column.type is FieldType.BYTES]
        uses = [name for name in event_types(layout) if name not in bytes_]
        rows = frame(batch, layout, uses, dict(self._normalise.strings))
        for name in bytes_:
            rows = rows.with_columns(pl.Series(name, _texts(batch, layout.index[name]), pl.String))
        kinds = batch.words[self._plan.layout.index["kind"]].tolist()
        made = []
        for kind, row in zip(kinds, rows.iter_rows(named=True), strict=True):
            entry = self._entries.get(kind)
            if entry is not None:
                made.append(entry.message(row))
        return made

    def encode(self, message: dict[str, Any]) -> bytes:
        """Return a message as it is sent, `a.b` as member b of member a."""
        tree: dict[str, Any] = {}
        for name, value in message.items():
            *parents, leaf = name.split(".")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[leaf] = value
        return self._json.encode(tree)


def _texts(batch: Batch, column: int) -> list[str | None]:
    """Return what a column of bytes holds, as text."""
    there = (batch.present >> np.uint64(column) & np.uint64(1)).astype(np.bool_).tolist()
    low = (1 << SPAN_LENGTH_BITS) - 1
    return [
        bytes(
            batch.data[word >> SPAN_LENGTH_BITS : (word >> SPAN_LENGTH_BITS) + (word & low)]
        ).decode(errors="replace")
        if known
        else None
        for word, known in zip(batch.words[column].tolist(), there, strict=True)
    ]


class _Entry:
    """One entry of the mapping, the other way round."""

    def __init__(self, plan: Plan, entry: RecordedEvent) -> None:
        self._member: dict[str, str] = {}
        for field, sql in entry.fields:
            name = _NAME.fullmatch(sql)
            if name is None:
                raise UsageError(
                    f"{plan.sport}: feed.mapping of {entry.kind}: {field} is {sql!r}, which has no "
                    f"way back",
                    hint="A feed can be served whose fields are members of the message.",
                )
            self._member[field] = name["quoted"] or name["plain"]
        self._fixed: dict[str, Any] = {}
        self._usual: dict[str, str] = {}
        where = entry.where or ""
        for quoted, plain, value in _EQUALS.findall(where):
            self._fixed[quoted or plain] = value
        for quoted, plain, denied, words in _AMONG.findall(where):
            member = quoted or plain
            among = [word.strip().strip("'") for word in words.split(",")]
            usual = self._other(plan, member, among) if denied else among[0]
            self._usual[member] = usual

    def message(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the message of an event."""
        made = {
            member: row[field] for field, member in self._member.items() if row[field] is not None
        }
        for member, usual in self._usual.items():
            made.setdefault(member, usual)
        return {**made, **self._fixed}

    def _other(self, plan: Plan, member: str, among: Sequence[str]) -> str:
        """Return a word of the member's field that is not among some."""
        fields = [field for field, name in self._member.items() if name == member]
        for column in plan.layout.columns:
            if column.name in fields and column.type is FieldType.ENUM:
                return next(name for name, number in column.values if number and name not in among)
        return "other"

"""Partners' topics as local files: what each partner would read from Kafka."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from oddspipe.core.adapters.appended import AppendedLines
from oddspipe.core.adapters.partner_messages import FORMATS, Origin, messages
from oddspipe.core.errors import StateError, UsageError
from oddspipe.core.names import Guarantee
from oddspipe.core.ports.output import Output


class _Placed(msgspec.Struct):
    number: int


class PartnerLog:
    """Append every board to the file of each partner, once, in order.

    The file of a partner is `<folder>/<partner>/<sport>.odds.v1.ndjson`.

    Args:
        folder: Where the partners' folders are.
        origin: What is the same in every message.
        partners: Price formats of each partner, by its name.
    """

    keeps: ClassVar[Guarantee] = Guarantee.EFFECTIVELY_ONCE

    def __init__(
        self,
        folder: Path,
        *,
        origin: Origin,
        partners: Mapping[str, Sequence[str]],
        name: str = "partner_log",
    ) -> None:
        self.name = name
        self._origin = origin
        self._formats: dict[str, tuple[str, ...]] = {}
        self._logs: dict[str, AppendedLines] = {}
        self._next: dict[str, int] = {}
        for partner, formats in partners.items():
            if not set(formats) <= set(FORMATS):
                raise UsageError(f"partner {partner!r}: a price format is not one of {FORMATS}")
            self._formats[partner] = tuple(f for f in FORMATS if f in formats)
            self._logs[partner] = AppendedLines(folder / partner / f"{origin.sport}.odds.v1.ndjson")

    def open(self) -> None:
        """Cut off torn lines and find the last message of each partner."""
        for partner, log in self._logs.items():
            last = log.open()
            try:
                placed = msgspec.json.decode(last, type=_Placed) if last else None
            except msgspec.DecodeError as error:
                raise StateError(
                    f"log of partner {partner!r}: damaged last line: {error}"
                ) from error
            self._next[partner] = placed.number + 1 if placed else 0

    def wants(self, output: Output) -> bool:
        """Say whether this output has anything to write."""
        return len(output.odds) > 0

    def write(self, output: Output) -> None:
        """Write and return when it is durable."""
        self.write_many((output,))

    def write_many(self, outputs: Sequence[Output]) -> None:
        """Write several outputs with one sync a partner, and return when they are durable."""
        encoded: dict[tuple[tuple[str, ...], int], tuple[bytes, int]] = {}
        for partner, log in self._logs.items():
            key = self._formats[partner], self._next[partner]
            if key not in encoded:
                encoded[key] = self._encode(outputs, *key)
            lines, after = encoded[key]
            log.append(lines)
            self._next[partner] = after

    def refresh(self) -> None:
        """Nothing here expires."""

    def close(self) -> None:
        """Let go of the files; may be called twice."""
        for log in self._logs.values():
            log.close()

    def _encode(
        self, outputs: Sequence[Output], formats: tuple[str, ...], start: int
    ) -> tuple[bytes, int]:
        parts: list[bytes] = []
        for output in outputs:
            if not len(output.odds) or output.odds.number[-1] < start:
                continue
            parts.append(messages(output, self._origin, formats, from_number=start))
            start = int(output.odds.number[-1]) + 1
        return b"".join(parts), start

"""What a served feed has sent, kept apart from the brokers, so that a loss there can be found."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import RunError
from oddspipe.ext.records import Spans

NAME: Final = "ledger.ndjson"


class Sent(msgspec.Struct, frozen=True):
    """What one transaction sent to a partition.

    Attributes:
        count: How many records.
        digest: Hash of their payloads with their lengths, in order.
    """

    count: int
    digest: str


class Entry(msgspec.Struct, frozen=True):
    """One line: what a transaction sent, by partition; written once it is committed.

    Attributes:
        topic: Where it went.
        begins: Offsets at which the topic's partitions ended before the first entry of a server.
        sent: By partition.
    """

    topic: str
    begins: dict[str, int] = {}
    sent: dict[str, Sent] = {}


class Ledger:
    """A file that only grows, a line a transaction."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made with the first line."""
        self.file = folder / NAME
        self._lines = msgspec.json.Encoder()

    def begin(self, topic: str, begins: Mapping[int, int]) -> None:
        """Note where the topic stands before anything is sent."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._add(Entry(topic, {str(p): at for p, at in begins.items()}))

    def add(self, topic: str, sent: Mapping[int, Sent]) -> None:
        """Note what a committed transaction has sent."""
        self._add(Entry(topic, sent={str(p): one for p, one in sent.items()}))

    def _add(self, entry: Entry) -> None:
        with self.file.open("ab") as file:
            file.write(self._lines.encode(entry) + b"\n")

    def entries(self) -> Iterator[Entry]:
        """Yield the whole lines; one that a kill has torn is the last and is passed over.

        Raises:
            RunError: There is no ledger, or a line in it is damaged.
        """
        try:
            lines = self.file.read_bytes().split(b"\n")
        except OSError as error:
            raise RunError(
                f"the ledger {self.file} cannot be read: {error.strerror or error}",
                hint="It is written by `oddspipe feed serve`, below the folder it runs in.",
            ) from error
        for number, line in enumerate(lines[:-1], 1):
            try:
                yield msgspec.json.decode(line, type=Entry)
            except msgspec.DecodeError as error:
                raise RunError(f"{self.file}:{number}: {error}") from error


def digest_of(payloads: Spans, rows: NDArray[np.int64]) -> Sent:
    """Return what stands in the ledger for some rows.

    >>> digest_of(Spans.of([b"a", b"bc"]), np.array([0, 1])).count
    2
    """
    starts, ends = payloads.starts[rows], payloads.ends[rows]
    whole = payloads.data.data
    joined = b"".join(
        whole[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )
    lengths = (ends - starts).astype("<i8").tobytes()
    return Sent(len(rows), blake2b(lengths + joined, digest_size=16).hexdigest())

"""What is lost, twice, out of order or strange in a stream, given what it should be. No I/O."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

SHOWN: Final = 5
"""So many examples of a kind are kept."""
ENOUGH: Final = 6
"""So many records have room for a loss, a double and a swap."""


@dataclass(slots=True)
class Findings:
    """What a comparison found.

    Attributes:
        checked: Records that should be there.
        counts: How many are lost, twice, out of order, strange.
        examples: A few of each kind, in words.
    """

    checked: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, kind: str, what: str, count: int = 1) -> None:
        """Take down something that is wrong."""
        self.counts[kind] += count
        shown = self.examples.setdefault(kind, [])
        if len(shown) < SHOWN:
            shown.append(what)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts


def compare(
    got: Sequence[bytes],
    want: Sequence[bytes],
    findings: Findings,
    name: Callable[[bytes], str] = repr,
) -> None:
    """Compare a stream with what it should be; records are told apart by their bytes.

    Args:
        got: What is there, in order.
        want: What should be there, in order; no record twice.
        findings: Takes down what is wrong.
        name: Says what a record is, for an example.

    >>> found = Findings()
    >>> compare([b"a", b"c", b"b", b"b"], [b"a", b"b", b"c", b"d"], found)
    >>> sorted(found.counts.items())
    [('lost', 1), ('out_of_order', 1), ('twice', 1)]
    """
    findings.checked += len(want)
    place = {record: at for at, record in enumerate(want)}
    seen: set[bytes] = set()
    highest = -1
    for at, record in enumerate(got):
        if record not in place:
            findings.note("strange", f"{name(record)}, record {at}")
        elif record in seen:
            findings.note("twice", f"{name(record)}, record {at}")
        else:
            seen.add(record)
            if place[record] < highest:
                findings.note("out_of_order", f"{name(record)}, record {at}")
            highest = max(highest, place[record])
    for record in want:
        if record not in seen:
            findings.note("lost", name(record))


def planted(got: Sequence[bytes]) -> list[bytes]:
    """Return the stream with one record lost, one twice and two swapped, for a test of the check.

    It has at least `ENOUGH` records.
    """
    made = list(got)
    made[-1], made[-2] = made[-2], made[-1]
    made.insert(3, made[2])
    del made[0]
    return made

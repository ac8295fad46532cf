"""What a simulated feed does wrong, and to which events: found by number, without a look at others.

The events of a game are cut into strata of equal length, one fault in each, at a place that the
seed decides. Its kind comes from a shuffled table that goes round, so that the faults of a kind
before any event are counted without looking at the events.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from oddspipe.core.errors import UsageError
from oddspipe.core.spec.fields import parse_positive_duration
from oddspipe.ext._simulate_py import mixed

MILLION: Final = 1_000_000
MOST: Final = 250_000
"""Faults in a million events: strata are four events long at least, so that faults keep apart."""
TABLE: Final = 4096
EVERY_US: Final = 600 * MILLION
"""How often the feed falls silent where `silence` names only how long."""
WORD: Final = 2**64 - 1
GOLDEN: Final = 0x9E3779B97F4A7C15

DUPLICATES, SWAPS, GAPS, LATE, TRUNCATED, MALFORMED, OUT_OF_RANGE = range(7)
NAMES: Final = (
    "duplicates", "swaps", "gaps", "late", "truncated", "malformed", "out_of_range",
)  # fmt: skip
"""Faults of single events, as the ledger names them."""
SHARES: Final = (
    "duplicates", "swaps", "gaps", "late", "corrupt", "out_of_range", "corrections",
)  # fmt: skip
"""Words of `--faults` that take a share."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What a feed does wrong.

    Attributes:
        shares: Of a million events, how many have each fault of `NAMES`.
        corrections: Of a million plays, how many are corrected.
        silence_us, every_us: How long the feed is silent, once in so much time; 0 for never.
    """

    shares: tuple[int, ...] = (0,) * len(NAMES)
    corrections: int = 0
    silence_us: int = 0
    every_us: int = EVERY_US

    @property
    def total(self) -> int:
        """Return how many of a million events have a fault."""
        return sum(self.shares)

    def table(self, seed: int) -> NDArray[np.int64]:
        """Return the kinds of faults in shuffled order; each has its share, and at least one."""
        exact = np.array(self.shares) * TABLE / max(1, self.total)
        counts = np.maximum(np.floor(exact), np.array(self.shares) > 0).astype(np.int64)
        while counts.sum() < TABLE:
            counts[np.argmax(exact - counts)] += 1
        while counts.sum() > TABLE:
            counts[np.argmax(counts)] -= 1
        random = np.random.Generator(np.random.Philox(key=[seed & WORD, GOLDEN]))
        return random.permutation(np.repeat(np.arange(len(NAMES)), counts))


def parse_faults(text: str) -> Faults:
    """Return what `--faults` asks for.

    Raises:
        UsageError: A word is not known, or its value is no share or length of time.

    >>> parse_faults("duplicates=1%,silence=20s/5m").silence_us
    20000000
    """
    found: dict[str, int] = {}
    silence = (0, EVERY_US)
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in entry.partition("="))
        if name == "silence":
            silence = _silence(value)
        elif name in SHARES:
            found[name] = _share(name, value)
        else:
            known = ", ".join((*SHARES, "silence"))
            raise UsageError(f"--faults: there is no fault {name!r}", hint=f"There are {known}.")
    shares = tuple(found.get(name, 0) for name in ("duplicates", "swaps", "gaps", "late"))
    corrupt = found.get("corrupt", 0)
    shares += (corrupt - corrupt // 2, corrupt // 2, found.get("out_of_range", 0))
    if sum(shares) > MOST:
        raise UsageError(
            f"--faults: together {sum(shares) / 1e4:g}% of the events",
            hint=f"All but corrections may add up to {MOST / 1e4:g}%.",
        )
    return Faults(shares, found.get("corrections", 0), *silence)


def _share(name: str, value: str) -> int:
    """Return a share as parts of a million."""
    try:
        share = float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        share = -1.0
    parts = round(share * MILLION) if 0 <= share <= 1 else -1
    if parts < 0 or (share > 0 and parts < 1):
        raise UsageError(
            f"--faults: {name}={value!r} is no share",
            hint=f"Write a share of at least 0.0001%, e.g. {name}=1%.",
        )
    return parts


def _silence(value: str) -> tuple[int, int]:
    length, slash, every = value.partition("/")
    try:
        found = parse_positive_duration(length), parse_positive_duration(every if slash else "10m")
    except ValueError as error:
        raise UsageError(
            f"--faults: silence={value!r} is no length of time",
            hint="Write how long, and once in how much time: silence=20s/5m.",
        ) from error
    return found


def silences(faults: Faults, seed: int, end_us: int) -> list[int]:
    """Return when the feed falls silent, in time that stands still meanwhile."""
    if not faults.silence_us:
        return []
    every = min(faults.every_us, end_us)
    key = mixed((seed ^ GOLDEN) & WORD)
    found = []
    for turn in range(-(-end_us // every)):
        at = turn * every + every // 4 + mixed(key + turn * GOLDEN & WORD) % max(1, every // 2)
        if at < end_us:
            found.append(at)
    return found


@dataclass(slots=True)
class Sites:
    """The faults of one game.

    Args:
        faults: How many there are.
        table: Kinds in shuffled order, as `Faults.table` gives them.
        key: Key of the game's random numbers.
        events: Faults keep to the events from the first of these numbers to before the second.
    """

    faults: Faults
    table: NDArray[np.int64]
    key: int
    events: tuple[int, int]
    _total: int = field(init=False)
    _before: list[list[int]] = field(init=False)
    _turn: int = field(init=False)
    _strata: tuple[int, int] = field(init=False)
    _spared: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Count the kinds along the table."""
        self._total = self.faults.total
        self._before = [
            list(accumulate((self.table == kind).tolist(), initial=0)) for kind in range(len(NAMES))
        ]
        self._turn = mixed(self.key ^ GOLDEN) % TABLE
        self._spared = [[] for _ in NAMES]
        low, high = self.events
        self._strata = (0, 0)
        if self._total and high > low:
            first = self._stratum(low) + 1
            self._strata = first, max(first, self._stratum(high))

    def _stratum(self, number: int) -> int:
        return number * self._total // MILLION

    def _place(self, stratum: int) -> int:
        """Return the event of a stratum's fault: never its last, so that none are neighbours."""
        total = self._total
        start = -(-stratum * MILLION // total)
        length = -(-(stratum + 1) * MILLION // total) - start
        return start + mixed(self.key + ~stratum * GOLDEN & WORD) % max(1, length - 1)

    def spare(self, number: int, *, only: int | None = None) -> None:
        """Let an event be: it has no fault, or not that one."""
        if not self._total:
            return
        stratum = self._stratum(number)
        kind = int(self.table[(stratum + self._turn) % TABLE])
        inside = self._strata[0] <= stratum < self._strata[1]
        if not inside or self._place(stratum) != number or only not in {None, kind}:
            return
        spared = self._spared[kind]
        at = bisect_left(spared, stratum)
        if at == len(spared) or spared[at] != stratum:
            spared.insert(at, stratum)

    def before(self, kind: int, number: int) -> int:
        """Return how many events before this one have the fault."""
        first, last = self._strata
        stratum = min(self._stratum(number), last) if last > first else first
        if stratum < first or last == first:
            return 0
        count = self._along(kind, stratum) - self._along(kind, first)
        count -= bisect_left(self._spared[kind], stratum)
        if stratum < last and self._place(stratum) < number:
            count += self._is(kind, stratum)
        return count

    def between(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the events from `start` to before `stop` that have a fault, and which."""
        first, last = self._strata
        found = []
        for stratum in range(
            max(first, self._stratum(max(0, start))), min(last, self._stratum(stop) + 1)
        ):
            place = self._place(stratum)
            kind = int(self.table[(stratum + self._turn) % TABLE])
            if start <= place < stop and self._is(kind, stratum):
                found.append((place, kind))
        return found

    def _along(self, kind: int, stratum: int) -> int:
        """Return how often the kind comes in the table's round up to a stratum."""
        rounds, rest = divmod(stratum + self._turn, TABLE)
        return rounds * self._before[kind][TABLE] + self._before[kind][rest]

    def _is(self, kind: int, stratum: int) -> bool:
        if self.table[(stratum + self._turn) % TABLE] != kind:
            return False
        spared = self._spared[kind]
        at = bisect_left(spared, stratum)
        return at == len(spared) or spared[at] != stratum

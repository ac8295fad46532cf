"""The books of a run: what every stage did with what it took."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from oddspipe.core.errors import RunError
from oddspipe.core.ports.output import Odds
from oddspipe.core.stages.protocol import Account


class Digest(Protocol):
    """A hash of every published price, in order, that can be taken up again."""

    def update(self, odds: Odds, games: Sequence[str]) -> None:
        """Take the odds of one step."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all odds so far."""
        ...

    def snapshot(self) -> bytes:
        """Return its state."""
        ...

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave."""
        ...


def assert_balanced(accounts: Iterable[Account]) -> None:
    """Check that every stage accounts for every row.

    Raises:
        RunError: A stage does not balance, which is a bug and says where.
    """
    wrong = [f"{a.stage} by {a.balance():+d}" for a in accounts if a.balance() != 0]
    if wrong:
        raise RunError(
            f"the books do not balance: {', '.join(wrong)}",
            hint="This is a bug: please report it with the report file of the run.",
        )


def add_up(books: Sequence[Sequence[Account]]) -> list[Account]:
    """Return the books of several partitions as one, a stage an entry."""
    total: dict[str, Account] = {}
    for account in (one for accounts in books for one in accounts):
        into = total.setdefault(account.stage, Account(account.stage))
        for name in ("taken", "held_before", "out", "duplicates", "held_after"):
            setattr(into, name, getattr(into, name) + getattr(account, name))
        for mine, theirs in (
            (into.rejected, account.rejected),
            (into.dropped, account.dropped),
            (into.flagged, account.flagged),
        ):
            for reason, count in theirs.items():
                mine[reason] = mine.get(reason, 0) + count
    return list(total.values())


def rejects_by_reason(accounts: Iterable[Account]) -> dict[str, int]:
    """Return how many rows were turned away, by reason, over all stages, most first."""
    found: dict[str, int] = {}
    for account in accounts:
        for reason, count in account.rejected.items():
            found[reason] = found.get(reason, 0) + count
    return _most_first(found)


def anomalies_by_code(accounts: Iterable[Account]) -> dict[str, int]:
    """Return how many anomalies began, by code, over all stages, most first."""
    found: dict[str, int] = {}
    for account in accounts:
        for code, count in account.flagged.items():
            found[code] = found.get(code, 0) + count
    return _most_first(found)


def _most_first(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))

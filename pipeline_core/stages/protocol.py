"""What a stage is: a pure step that owns its state and keeps its books."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from oddspipe.core.errors import StateError

Frozen: TypeAlias = Sequence[bytes | memoryview]
"""State as bytes in parts, end to end; none of them changes any more, so none need be copied."""


@dataclass(slots=True)
class Account:
    """The books of one stage.

    in + held before = out + rejected + duplicates + dropped + held after;

    `held_before` is what was held when the run began (after a resume: from the snapshot).
    `flagged` counts anomalies by their code; it is no part of the balance.
    """

    stage: str
    taken: int = 0
    held_before: int = 0
    out: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    held_after: int = 0
    flagged: dict[str, int] = field(default_factory=dict)

    def flag(self, code: str, count: int = 1) -> None:
        """Count anomalies of one code."""
        if count:
            self.flagged[code] = self.flagged.get(code, 0) + count

    def balance(self) -> int:
        """Return what is unaccounted for: 0, or there is a bug."""
        gone = self.out + sum(self.rejected.values()) + self.duplicates + sum(self.dropped.values())
        return self.taken + self.held_before - gone - self.held_after

    def as_report(self) -> dict[str, Any]:
        """Return the entry of the run's report."""
        return {
            "stage": self.stage,
            "in": self.taken,
            "held_before": self.held_before,
            "out": self.out,
            "rejected": dict(sorted(self.rejected.items())),
            "duplicates": self.duplicates,
            "dropped": dict(sorted(self.dropped.items())),
            "held_after": self.held_after,
        }


class Stateful(Protocol):
    """Every stage: its books, and its state as bytes.

    The state is a pure function of the input so far: however it was batched and wherever snapshots
    were taken, the same input gives the same state.
    """

    @property
    def account(self) -> Account:
        """Return the books."""
        ...

    def snapshot(self) -> bytes:
        """Return the whole state, the books included."""
        ...

    def restore(self, state: bytes) -> None:
        """Take up a state that `snapshot` gave, of the same plan."""
        ...


def behind(version: bytes, state: bytes, stage: str) -> int:
    """Return where the content of a saved state begins.

    Raises:
        StateError: It is none of this version of the stage.
    """
    if not state.startswith(version):
        raise StateError(f"the saved state is not one of the {stage} stage of this version")
    return len(version)

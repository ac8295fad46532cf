"""What is wrong with a spec: one entry a fault, by the place in the YAML tree."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "skipped"]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a spec, found by any check.

    Attributes:
        code: Stable, lower case with dots, e.g. `sql.unknown-column`; documented by that name.
        path: Keys and list indexes from the root of the document to the value.
        message: What is wrong, one sentence, with the word that is wrong in quotes.
        hint: The likely fix, one sentence; empty if there is none.
        severity: `error` fails the file; `warning` is sound but unwise; `skipped` says that a
            check could not be made, and why.
        on_key: Whether the key of the last step is at fault, not its value.
        offset: Characters from the start of a string value to the fault (SQL); None for the whole.
    """

    code: str
    path: Path
    message: str
    hint: str = ""
    severity: Severity = "error"
    on_key: bool = False
    offset: int | None = None

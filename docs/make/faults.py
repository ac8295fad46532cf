"""The pages of what can go wrong: error classes, faults of a spec, reasons of dead letters."""

from functools import cache
from pathlib import Path

import yaml
from docs.make.outputs import meanings
from docs.make.text import anchor, code, comments, page, summary, table

from oddspipe.core import errors
from oddspipe.core.adapters.dead_letters import FIELD_REASONS, RULE_REASONS
from oddspipe.core.batch.rejects import COUNTED_ONLY, Reason
from oddspipe.core.errors import OddspipeError
from oddspipe.core.spec.faults import faults
from oddspipe.core.stages.isolate import CrashedError, HungError

CORPUS = Path(__file__).parents[2] / "tests" / "corpus"
_LONGEST = 90

DO = {
    "DUPLICATE": "Nothing: the feed sent it twice.",
    "FINISHED_GAME": "Ask the provider why events follow the end of the game.",
    "LATE": "Lengthen `order.window`, or set `order.late: amend`.",
    "MAPPING": "`oddspipe dlq show` says what does not fit `feed.payload` or `feed.mapping`.",
    "PLUGIN": "`oddspipe dlq show` has the model's own words; run it alone on that game.",
    "RULE": "Compare the event with the rule's `check`.",
    "SEQUENCE_JUMP": "Ask the provider; raise `order.max_gap` if such leaps are sound.",
    "SEQUENCE_REUSED": "Ask the provider; lengthen `duplicates.window` if these are old copies.",
    "TEMPORAL_RULE": "Compare the event with the rule; a true fall of a score is a correction.",
    "TOO_MANY_IDS": "Look whether a field holds free text; it would need another type.",
    "UNKNOWN_EVENT": "The event that it corrects was turned away, or came before the run began.",
}
"""What somebody who looks at such a dead letter does; those of a field or of bytes share theirs."""


def error_classes() -> list[type[OddspipeError]]:
    """Return every class of the error tree that has a code of its own, parents first."""
    found = [one for one in vars(errors).values() if _is_error(one)]
    return [*found, HungError, CrashedError]


def _is_error(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, OddspipeError)


def error_rows() -> list[tuple[str, str, str, str]]:
    """Return code, class, exit code and meaning of every error."""
    return [
        (anchor(one.code) + code(one.code), code(one.__name__), code(one.exit_code), summary(one))
        for one in error_classes()
    ]


def reason_rows() -> list[tuple[str, str, str, str, str]]:
    """Return name, number, what is named with it, meaning and remedy of every reason."""
    said = comments(Reason)
    return [
        (
            anchor(reason.name) + code(reason.name),
            str(reason.value),
            _named_with(reason),
            said[reason.name].replace("`detail` is its index", "`rule` names it"),
            DO.get(reason.name, _remedy(reason)),
        )
        for reason in Reason
        if reason is not Reason.OK
    ]


def _named_with(reason: Reason) -> str:
    if reason in FIELD_REASONS:
        return "`field`"
    return "`rule`" if reason in RULE_REASONS else ""


def _remedy(reason: Reason) -> str:
    if reason in FIELD_REASONS:
        return "Compare the payload with the field's entry in `event.fields`."
    return "Ask the provider: the bytes are in the dead letter."


def fault_rows() -> list[tuple[str, str, str, str]]:
    """Return code, meaning, remedy and an example of every fault of a file."""
    lines = _examples()
    return [
        (anchor(name) + code(name), one.means, one.do, code(lines.get(name, "")))
        for name, one in sorted(faults().items())
    ]


def change_rows() -> list[tuple[str, str]]:
    """Return code and meaning of every change that readers or senders of events would feel."""
    return [(anchor(name) + code(name), said) for name, said in meanings("schema_change").items()]


@cache
def _examples() -> dict[str, str]:
    """Return a faulty line for each code, of the first broken spec of the corpus that has it."""
    base = (CORPUS / "base.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for path in sorted(CORPUS.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")) if path.stem != "base" else ():
            text = case.get("platform", case.get("whole", base if "bytes" not in case else ""))
            for old, new in case.get("edit", ()):
                text = text.replace(old, new, 1)
            for fault in case["faults"]:
                name, place = fault.split()
                _add(found, name, text.splitlines(), int(place.partition(":")[0]))
    return found


def _add(found: dict[str, str], name: str, lines: list[str], line: int) -> None:
    shown = lines[line - 1].strip() if line <= len(lines) else ""
    if 0 < len(shown) <= _LONGEST:
        found.setdefault(name, shown)


def rejects_page() -> str:
    """Return the page of reject reasons."""
    counted = ", ".join(code(reason.name) for reason in sorted(COUNTED_ONLY))
    return page(
        "Reject reasons",
        "Why a row did not go on. Each is counted by its stage and kept as a dead letter with its "
        f"original bytes (`oddspipe dlq list`), except {counted}, which is only counted.",
        table(("reason", "code", "names", "meaning", "what to do"), reason_rows()),
    )


def errors_page() -> str:
    """Return the page of error codes."""
    return page(
        "Errors",
        "An error is one message that ends in its code in brackets, a hint where there is one, "
        "and an exit code; never a traceback. `bug` is the code of anything unforeseen: its "
        "traceback is kept in a file that the message names.",
        "## Errors of a command\n\n"
        + table(("code", "class", "exit code", "meaning"), error_rows()),
        "## Faults of a file\n\n"
        "What `oddspipe validate` finds in a sport or platform file, by code. "
        "[Read a fault](../how-to/read-a-fault.md) says how. The examples are lines of "
        "`tests/corpus`, where each stands in a file with the place that is told.\n\n"
        + table(("code", "meaning", "what to do", "example"), fault_rows()),
        "## Changes of an event\n\n"
        "What `oddspipe schema check` finds, by code; each finding says what to do. "
        "[Change the event](../how-to/change-the-event.md) says how.\n\n"
        + table(("code", "meaning"), change_rows()),
    )

"""What checks find: one result each, whatever a plug-in raises."""

from collections.abc import Callable, Iterable

from oddspipe.core.conform.model import Result

Check = tuple[str, Callable[[], str]]
"""What must be true, and what asks it: returns what was measured, raises what is not true."""


class FaultError(Exception):
    """What a check found.

    Args:
        fault: What is not as it must be.
        advice: What to do about it.
    """

    def __init__(self, fault: str, advice: str) -> None:
        super().__init__(fault)
        self.fault, self.advice = fault, advice


def results_of(checks: Iterable[Check], *, advice: str) -> list[Result]:
    """Make every check; one that fails does not stop the others.

    Args:
        checks: The checks.
        advice: What to do where the plug-in raised what nobody expects.
    """
    return [_result(name, check, advice) for name, check in checks]


def faults(results: Iterable[Result]) -> list[str]:
    """Return what is wrong, one text a check; a test asserts that there is none."""
    return [f"{one.name}: {one.fault} {one.advice}" for one in results if one.fault]


def _result(name: str, check: Callable[[], str], advice: str) -> Result:
    try:
        return Result(name, note=check())
    except FaultError as found:
        return Result(name, found.fault, found.advice)
    except Exception as failed:  # noqa: BLE001 - a guest may raise anything
        return Result(name, f"{type(failed).__name__}: {failed}", advice)

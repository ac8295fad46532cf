"""The whole error tree, sorted by what the caller does next.

OddspipeError
├── SpecError       edit the file            (exit code 1)
├── UsageError      call it differently      (exit code 2)
├── PluginError     fix the install          (exit code 3)
└── RunError        the run could not go on  (exit code 4)
    ├── RetryableError   the same call may work later
    │   └── UnreachableError  it will when the other side is there again: wait for it
    ├── StateError       the state folder is in use, damaged or of another plan
    └── FencedError      stop: another member owns the partition
"""

from typing import ClassVar


class OddspipeError(Exception):
    """Anything a user is told in one message, without a traceback.

    Args:
        message: What is wrong, where, in the words of the user.
        hint: What to do about it; empty when the message says it all.
    """

    code: ClassVar[str] = "oddspipe"
    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint apart, so that the console can set them apart."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class SpecError(OddspipeError):
    """A file that a person wrote is wrong: edit it."""

    code = "spec"
    exit_code = 1


class UsageError(OddspipeError):
    """The command was called with words that do not fit together."""

    code = "usage"
    exit_code = 2


class PluginError(OddspipeError):
    """An installed plug-in is missing, claims a taken name or breaks its contract."""

    code = "plugin"
    exit_code = 3


class RunError(OddspipeError):
    """The run could not go on."""

    code = "run"
    exit_code = 4


class RetryableError(RunError):
    """The same call may work later."""

    code = "retryable"


class UnreachableError(RetryableError):
    """The other side does not answer: the same call works when it is there again."""

    code = "unreachable"


class StateError(RunError):
    """The state folder is in use, damaged, or belongs to another plan."""

    code = "state"


class FencedError(RunError):
    """Another member owns the partition: stop."""

    code = "fenced"


class OddsError(OddspipeError):
    """A price or a probability outside what its function is defined for."""

    code = "odds"

"""What a store must do that takes odds in rounds, each once by its token."""

from typing import Protocol

from oddspipe.core.ports.output import Output


class RoundSink(Protocol):
    """A store with idempotent writes."""

    name: str

    def open(self) -> None:
        """Connect.

        Raises:
            RunError: It is not there, or does not keep tokens.
        """
        ...

    def write_round(self, output: Output, token: str) -> None:
        """Write odds wholly or not at all; nothing when a round of this token is there already.

        Raises:
            RetryableError: Perhaps written, perhaps not: write the same again with the same token.
        """
        ...

    def close(self) -> None:
        """Let go of it; may be called twice."""
        ...

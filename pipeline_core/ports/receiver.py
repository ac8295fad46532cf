"""What must receive a live feed: connect, hand on what comes, go on where it stood."""

from collections.abc import Sequence
from typing import Protocol


class Inbox(Protocol):
    """Where a receiver hands its messages; they are durable when `take` returns."""

    @property
    def cursor(self) -> bytes:
        """Return the provider's cursor after the last message taken; empty before the first."""
        ...

    def take(self, messages: Sequence[bytes], cursor: bytes) -> bool:
        """Keep messages and the cursor after them; waits while there is no room for them.

        Returns:
            Whether they are durable: not if the receiver was stopped while it waited.

        Raises:
            RunError: They cannot be kept.
        """
        ...

    def trouble(self, words: str) -> None:
        """Say what is wrong with the connection; empty once it stands again."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the receiver is to return."""
        ...


class Receiver(Protocol):
    """Receives from one provider, in a thread of its own."""

    @property
    def name(self) -> str:
        """Return the protocol: `websocket`, `pubsub`."""
        ...

    @property
    def tells(self) -> bool:
        """Whether it says that the connection stands before any message has come."""
        ...

    def receive(self, inbox: Inbox) -> None:
        """Receive until `inbox.stopped`; connections that break are made again.

        Raises:
            RunError: It cannot be received by trying again: a wrong address or login.
        """
        ...

"""Be a provider that publishes to Pub/Sub: a service, a topic, the sport's subscription."""

import os
import time
from collections.abc import Callable
from typing import Any, Final

from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1 import PublisherClient as PublisherApi
from google.pubsub_v1.types import PublishRequest, PubsubMessage

from oddspipe.core.adapters.provider_json import ProviderJson
from oddspipe.core.adapters.pubsub.server import AT_ONCE, PubSubServer
from oddspipe.core.clock import Clock
from oddspipe.core.ports.source import Source

POLL_US: Final = 20_000
FULL_S: Final = 0.05


class PublishedFeed:
    """Publishes what a source makes, ordered by game.

    Args:
        provider: Makes messages of events.
        names: Project and subscription.
        place: Host and port of the service.
        time_member: Member that holds the event time, which is moved to now; None: it stays.

    Attributes:
        sent: Messages published so far.
        service: The service, to ask what is not acknowledged yet.
    """

    def __init__(
        self,
        provider: ProviderJson,
        names: tuple[str, str],
        place: tuple[str, int],
        time_member: str | None,
        clock: Clock,
    ) -> None:
        """Take what to publish; nothing listens before `start`."""
        self.sent = 0
        self.service = PubSubServer(*place)
        self._provider = provider
        self._project, self._subscription = names
        self._time = time_member
        self._clock = clock

    @property
    def topic(self) -> str:
        """Return the full name of the topic."""
        return f"projects/{self._project}/topics/{self._subscription}"

    def start(self) -> None:
        """Start the service, with topic and subscription.

        Raises:
            RunError: The port is taken.
        """
        self.service.declare(
            self.topic, f"projects/{self._project}/subscriptions/{self._subscription}"
        )
        self.service.start()
        os.environ["PUBSUB_EMULATOR_HOST"] = self.service.address
        self._publisher = PublisherClient()

    @property
    def place(self) -> str:
        """Return where it is served."""
        return f"{self.topic} at PUBSUB_EMULATOR_HOST={self.service.address}"

    def stop(self) -> None:
        """Stop the service."""
        self.service.stop()

    def make(self, source: Source, stopped: Callable[[], bool]) -> None:
        """Publish until the source ends or somebody has `stopped` it."""
        offset: int | None = None
        source.open(0)
        try:
            while not stopped() and (payloads := source.poll(POLL_US)) is not None:
                made = self._provider.messages(payloads)
                for message in made:
                    if self._time in message:
                        if offset is None:
                            offset = self._clock.now_us() - message[self._time]
                        message[self._time] += offset
                self._publish(made, stopped)
        finally:
            source.close()

    def _publish(self, made: list[dict[str, Any]], stopped: Callable[[], bool]) -> None:
        key = self._provider.game_member
        for start in range(0, len(made), AT_ONCE):
            while self.service.full:
                if stopped():
                    return
                time.sleep(FULL_S)
            part = made[start : start + AT_ONCE]
            messages = [
                PubsubMessage(
                    data=self._provider.encode(message),
                    ordering_key=str(message.get(key or "", "")),
                )
                for message in part
            ]
            # The plain call keeps the order of a batch without waiting for each message.
            PublisherApi.publish(
                self._publisher, request=PublishRequest(topic=self.topic, messages=messages)
            )
            self.sent += len(part)

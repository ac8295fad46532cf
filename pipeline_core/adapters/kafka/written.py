"""What of an output goes to which topic of the sport."""

from collections.abc import Iterator
from dataclasses import replace

from oddspipe.core.adapters.dead_letters import Letters
from oddspipe.core.adapters.kafka.records import EventRows, letter_rows, odds_rows
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.partner_messages import Origin
from oddspipe.core.ports.output import Output
from oddspipe.ext.records import Rows


class SportRecords:
    """Odds messages, dead letters and what a shadow says, of a sport.

    Args:
        topics: Names of the topics.
        origin: What is the same in every odds message.
        formats: Price formats of the topic.
        letters: Makes the dead letters.
        shadow: What is the same in every message of a shadow.
    """

    def __init__(
        self,
        topics: Topics,
        origin: Origin,
        formats: tuple[str, ...],
        letters: Letters,
        shadow: Origin | None = None,
    ) -> None:
        self._shadow = shadow
        self._topics, self._origin = topics, origin
        self._formats, self._letters = formats, letters

    def __call__(self, partition: int, output: Output) -> Iterator[tuple[str, Rows]]:
        """Yield topics and the rows for them."""
        if len(output.odds):
            yield self._topics.odds, odds_rows(partition, output, self._origin, self._formats)
        if self._shadow is not None and len(output.shadow):
            said = replace(output, odds=output.shadow)
            yield self._topics.shadow, odds_rows(partition, said, self._shadow, ("decimal",))
        if any(len(rejects) for rejects in output.rejects):
            yield self._topics.dead_letters, letter_rows(partition, output, self._letters)


class EventRecords:
    """Normalised events and dead letters of a sport.

    Args:
        topics: Names of the topics.
        letters: Makes the dead letters.
    """

    def __init__(self, topics: Topics, letters: Letters) -> None:
        self._topics, self._letters, self._rows = topics, letters, EventRows()

    def __call__(self, partition: int, output: Output) -> Iterator[tuple[str, Rows]]:
        """Yield topics and the rows for them."""
        for rows in self._rows(partition, output):
            yield self._topics.normalised, rows
        if any(len(rejects) for rejects in output.rejects):
            yield self._topics.dead_letters, letter_rows(partition, output, self._letters)

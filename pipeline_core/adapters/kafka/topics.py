"""Names of a sport's topics; nothing of a client is needed to know them."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a sport; partition p of each belongs to partition p of the feed."""

    feed: str
    odds: str
    dead_letters: str
    snapshots: str
    normalised: str
    shadow: str = ""
    """What a second model says of the odds; empty without one."""

    @staticmethod
    def of(sport: str, feed: str | None, *, shadow: bool = False) -> "Topics":
        """Name the topics of a sport; without a feed on Kafka, its raw topic stands for it.

        >>> Topics.of("nfl", "nfl.feed.v1").odds
        'nfl.odds.v1'
        """
        return Topics(
            feed or f"{sport}.raw.v1",
            f"{sport}.odds.v1",
            f"{sport}.dlq",
            f"{sport}.snapshots",
            f"{sport}.normalised.v1",
            f"{sport}.shadow.v1" if shadow else "",
        )

    def of_normalise(self) -> "Topics":
        """Return the topics as a worker has them that normalises only.

        >>> Topics.of("nfl", None).of_normalise().snapshots
        'nfl.normalise.snapshots'
        """
        return replace(self, snapshots=self._of_stage("normalise"))

    def of_price(self) -> "Topics":
        """Return the topics as a worker has them that prices normalised events.

        >>> Topics.of("nfl", None).of_price().feed
        'nfl.normalised.v1'
        """
        return replace(self, feed=self.normalised, snapshots=self._of_stage("price"))

    def _of_stage(self, stage: str) -> str:
        return f"{self.snapshots.removesuffix('snapshots')}{stage}.snapshots"


def ingest_topic(sport: str) -> str:
    """Return the topic that holds how far a live feed has been brought.

    >>> ingest_topic("nba")
    'nba.ingest'
    """
    return f"{sport}.ingest"


def corrections_topic(topics: Topics) -> str:
    """Return the topic of odds that were corrected afterwards; partitions as those of the odds.

    >>> corrections_topic(Topics.of("nfl", "nfl.feed.v1"))
    'nfl.odds.corrections.v1'
    """
    return topics.odds.removesuffix(".v1") + ".corrections.v1"

"""Where outputs are written, and what each sink is claimed to keep."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field

from oddspipe.core.names import Guarantee
from oddspipe.core.spec.fields import Endpoint, Name, PositiveDuration, Text
from oddspipe.core.spec.part import Part

StoreMode = Literal["raw", "by_second", "none"]


class SinkSpec(Part):
    """What every sink says."""

    guarantee: Annotated[Guarantee, Field(strict=False)]
    """What it must keep; `validate` refuses a claim that it cannot."""


class RedisSink(SinkSpec):
    """Keep the current odds of every game in Redis."""

    kind: Literal["redis"]
    """Redis, or what speaks its protocol."""
    ttl: PositiveDuration = 10_000_000
    """How long odds outlive their last refresh; a missing key means that the publisher is gone."""
    memory: PositiveDuration = 3_600_000_000
    """How long the last odds sequence is remembered after the odds are gone."""
    url: Endpoint | None = None
    """Address; the environment's own when left out."""


class ClickHouseSink(SinkSpec):
    """Keep events and the history of odds in ClickHouse."""

    kind: Literal["clickhouse"]
    """ClickHouse."""
    store: dict[Name, StoreMode] = Field(default_factory=dict)
    """What is kept of each kind of event: each one, a row a game and second, or nothing."""
    keep: PositiveDuration = 7_776_000_000_000
    """How long rows are kept."""
    url: Endpoint | None = None
    """Address; the environment's own when left out."""


class PartnerLogSink(SinkSpec):
    """Write each partner's odds messages to a file of theirs."""

    kind: Literal["partner_log"]
    """A file a partner."""


class KafkaSink(SinkSpec):
    """Write odds messages to partners' Kafka topics."""

    kind: Literal["kafka"]
    """A Kafka topic."""
    topic: Text = Field(examples=["nfl.odds.v1"])
    """Topic; versioned, since partners read it."""
    keep: PositiveDuration = 604_800_000_000
    """Retention of the topic."""


class DeadLettersSink(SinkSpec):
    """Keep what was turned away, with its bytes and the reason."""

    kind: Literal["dead_letters"]
    """Dead letters."""
    keep: PositiveDuration = 1_209_600_000_000
    """How long they are kept."""


class PluginSink(SinkSpec):
    """Give outputs to a sink that an installed package brings."""

    kind: Literal["plugin"]
    """A sink of a package."""
    name: Name
    """Entry point of group `oddspipe.sinks`."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters; typed by the plug-in."""


Sink = Annotated[
    RedisSink | ClickHouseSink | PartnerLogSink | KafkaSink | DeadLettersSink | PluginSink,
    Discriminator("kind"),
]
"""One of the sinks, told apart by `kind`."""

"""What is not a sport: environments, partners, owners."""

from typing import Annotated, Final, Literal

from pydantic import Field

from oddspipe.core.spec.feed import KafkaSecurity
from oddspipe.core.spec.fields import (
    Count,
    Endpoint,
    Flag,
    Name,
    Number,
    PositiveDuration,
    Rate,
    SecretRef,
    Share,
    Text,
)
from oddspipe.core.spec.model import OwnerSpec
from oddspipe.core.spec.odds import PriceFormat
from oddspipe.core.spec.part import Part

SPORT: Final = "{sport}"
"""Stands for the name of the sport in a login of the cache."""


class RedisEndpoint(Part):
    """Where Redis is: embedded (started with the run), or at an address."""

    embedded: Flag = False
    """Start one with the run."""
    url: Endpoint | None = Field(default=None, examples=["redis://cache:6379/0"])
    """Address of one that runs already."""
    username: Text | None = Field(default=None, examples=["odds-{sport}"])
    """Name to log in with, `{sport}` for that of the sport; the default user when left out."""
    password: SecretRef | None = None
    """Password, by reference only; `{sport}` may stand in its path."""


class ClickHouseEndpoint(Part):
    """Where ClickHouse is: the engine in process, or a server."""

    embedded: Flag = False
    """Run the engine inside the process."""
    url: Endpoint | None = Field(default=None, examples=["https://clickhouse:8443"])
    """Address of a server."""
    database: Name = "oddspipe"
    """Database."""
    username: Endpoint | None = None
    """Name to log in with."""
    password: SecretRef | None = None
    """Password, by reference only."""


class KafkaCluster(Part):
    """Where Kafka is."""

    brokers: Endpoint = Field(examples=["kafka-0:9092,kafka-1:9092"])
    """Bootstrap servers."""
    replication: Count = 3
    """Copies of every partition."""
    security: KafkaSecurity | None = None
    """How to log in."""


class PartnersEndpoint(Part):
    """Where partners' messages go."""

    folder: Text | None = None
    """Folder below the state folder, a file a partner."""


class MachinesSpec(Part):
    """Machines in the cloud, by the names that it has for them."""

    workers: Text = "m7i.2xlarge"
    """Nodes of a sport's pods."""
    system: Text = "m7i.large"
    """Nodes of what serves all sports."""
    kafka: Text = "kafka.m7g.large"
    """Brokers."""
    cache: Text = "cache.r7g.large"
    """Nodes of the cache."""
    clickhouse: Text = "i4i.2xlarge"
    """Servers of ClickHouse; they need disks of their own."""


class RegionSpec(Part):
    """Another region, where partners read on when this one is lost."""

    region: Endpoint
    """Cloud region."""
    brokers: Endpoint = Field(examples=["kafka-west-0:9096"])
    """Bootstrap servers of its cluster."""


class InfraSpec(Part):
    """What the infrastructure of an environment is sized by; `oddspipe render-infra` writes it."""

    least: Count = 2
    """Workers of a sport while games are on; two stand in for each other."""
    idle: Count = 1
    """Workers of a sport while none are."""
    off_season: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Workers of a sport out of its season, 0 for none; as `idle` when left out."""
    headroom: Annotated[Number, Field(ge=1)] = 2.0
    """Times the peak rate that workers are sized for."""
    node_boot: PositiveDuration = 300_000_000
    """From asking for a node until pods run on it."""
    brokers: Count = 3
    """Brokers of the cluster; partitions should be a multiple."""
    odds_kept: PositiveDuration = 604_800_000_000
    """How long odds stay on their topic."""
    network: Text = "10.0.0.0/16"
    """Addresses of the brokers, caches and databases (CIDR)."""
    machines: MachinesSpec = MachinesSpec()
    """Machines in the cloud, where Terraform makes them."""
    storage_class: Text = "gp3"
    """Kind of disk of a spool."""
    repository: Text = "https://git.example.com/odds.git"
    """Where Argo CD finds what is rendered."""
    revision: Text = "main"
    """Branch, tag or commit of it."""
    regions: dict[Name, RegionSpec] = Field(default_factory=dict)
    """Other regions that topics are mirrored to, by the alias that MirrorMaker knows them by."""


class EnvironmentSpec(Part):
    """One place where the pipeline runs."""

    title: Text | None = None
    """Name for people."""
    source: Literal["feed", "replay", "simulator"] = "feed"
    """Where events come from here; `feed` is what the sport file says."""
    partitions: Count | None = None
    """Partitions here; the sport's own when left out."""
    replicas: Count = 1
    """Workers a sport; more than partitions would stand idle."""
    stages: Literal["together", "apart"] = "together"
    """Over Kafka, whether a worker normalises and prices, or each is a worker of its own with every
    event on a topic between them, from which ClickHouse takes events too."""
    state: Text = ".oddspipe"
    """Folder of snapshots, spools and embedded stores."""
    redis: RedisEndpoint = RedisEndpoint(embedded=True)
    """Where Redis is."""
    clickhouse: ClickHouseEndpoint = ClickHouseEndpoint(embedded=True)
    """Where ClickHouse is."""
    kafka: KafkaCluster | None = None
    """Where Kafka is; without one, stages run in one process."""
    partners: PartnersEndpoint = PartnersEndpoint(folder="partners")
    """Where partners' messages go."""
    account: Endpoint | None = None
    """Cloud account."""
    region: Endpoint | None = None
    """Cloud region."""
    infra: InfraSpec | None = None
    """What its infrastructure is sized by; without it none is rendered."""


class SlaSpec(Part):
    """What a partner is promised."""

    latency: PositiveDuration
    """From event to message, 99 of 100."""
    availability: Share
    """Share of the time."""


class PartnerSpec(Part):
    """Somebody who takes our odds."""

    title: Text
    """Name for people."""
    tier: Literal["gold", "silver", "bronze"]
    """Service level."""
    sports: tuple[Name, ...] = Field(min_length=1)
    """Sports that they take."""
    formats: tuple[PriceFormat, ...] = Field(min_length=1)
    """How prices are written for them."""
    max_rate: Rate
    """Most messages a second."""
    sla: SlaSpec
    """What they are promised."""
    contact: Text | None = None
    """Where to write to when something that they see is broken; nobody is told without one."""
    topic: Text | None = None
    """Topic of theirs; the shared one when left out."""
    failover_topic: Text | None = None
    """Topic that takes over when theirs cannot be written."""


class PricesSpec(Part):
    """Prices of the cost model, in dollars."""

    cpu_hour: Annotated[Number, Field(ge=0)] = 0.0
    """One core for an hour."""
    memory_gib_hour: Annotated[Number, Field(ge=0)] = 0.0
    """One GiB of memory for an hour."""
    storage_gib_month: Annotated[Number, Field(ge=0)] = 0.0
    """One GiB of disk for a month."""
    traffic_gib: Annotated[Number, Field(ge=0)] = 0.0
    """One GiB sent out."""


class PlatformSpec(Part):
    """Environments, partners, owners and prices."""

    environments: dict[Name, EnvironmentSpec] = Field(min_length=1)
    """Where the pipeline runs, by name."""
    partners: dict[Name, PartnerSpec] = Field(default_factory=dict)
    """Who takes our odds, by name."""
    owners: dict[Name, OwnerSpec] = Field(default_factory=dict)
    """Who is asked, and who is woken, by what they own."""
    prices: PricesSpec = PricesSpec()
    """Prices of the cost model."""

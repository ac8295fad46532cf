"""What is deployed of each sport in an environment, in numbers: what every emitter reads."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

from oddspipe.core.adapters.kafka.records import topic_configs
from oddspipe.core.adapters.kafka.topics import Topics, corrections_topic, ingest_topic
from oddspipe.core.adapters.secrets import parts_of
from oddspipe.core.assemble_stages import group_of, stage_group, topics_of
from oddspipe.core.explain.memory import event_bytes, memory_of
from oddspipe.core.infra.dates import dated_windows
from oddspipe.core.infra.windows import Window, windows
from oddspipe.core.names import Stage
from oddspipe.core.plan.model import Plan
from oddspipe.core.plan.season import season_of
from oddspipe.core.schedules.fixtures import Fixtures
from oddspipe.core.spec.platform import InfraSpec

EVENT_RATE: Final = 500_000
"""Events a second that one worker prices on one core: half of what `make bench-kafka` measured."""
JSON_RATE: Final = 25_000
"""The same where a provider's JSON is mapped first: half of what whole seasons were replayed at."""
PRICE_CORES: Final = 1.0
OTHER_CORES: Final = 0.25
SERVICE_MEMORY: Final = 256 << 20
"""An ingest or a publisher: 136 MB were measured."""
SPARE: Final = 1.25
"""Memory above the bound that the plan computes."""
STEP_BYTES: Final = 128 << 20
WORKS: Final = (Stage.NORMALISE, Stage.PRICE)
"""Stages whose workers are slots of a group."""
TAIL_BYTES: Final = 12
"""What stands behind a normalised event, once it is compressed."""
BOARD_BYTES: Final = 6_000
"""One odds message of ten markets in two formats, before compression."""
BOARDS_A_GAME: Final = 2
"""Odds messages a second and game at the peak: plays, and a line now and then."""
SESSION_S: Final = 45
"""Time that a worker needs to finish what it has read, and to commit."""
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of a sport.

    Attributes:
        configs: Settings of the topic as the brokers name them.
        writer: Who may write it: provider, ingest, normalise, price or operator.
        meaning: One sentence.
        bytes_a_day: What comes at the peak rate for the length of the windows of a day.
    """

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]
    writer: str
    meaning: str
    bytes_a_day: int

    @property
    def bytes_kept(self) -> float:
        """Return what lies there in all copies, once it has come at that rate for its retention."""
        days = int(self.configs.get("retention.ms", 0)) / 86_400_000
        return self.bytes_a_day * days * self.replication


@dataclass(frozen=True, slots=True)
class Workload:
    """One component: pods of one kind.

    Attributes:
        stage: What `oddspipe run --stage` it is.
        least, most: Pods while games are on, and at most; equal where it is not scaled.
        idle: Pods while none are.
        rest: Pods out of season.
        storage_bytes: Disk that outlives the pod; 0 for none.
    """

    stage: str
    least: int
    most: int
    idle: int
    cores: float
    memory_bytes: int
    storage_bytes: int = 0
    rest: int = 1

    @property
    def scaled(self) -> bool:
        """Whether its number changes."""
        return (self.idle, self.least) != (self.most, self.most)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that pods read: the file `path/key`."""

    path: str
    key: str


def secret_of(place: Mapping[str, Any]) -> Secret | None:
    """Return the secret that is the password of a place; None where it has none, or in plain."""
    parts = parts_of(str(place.get("password") or ""))
    return Secret(*parts) if parts is not None else None


@dataclass(frozen=True)
class Member:
    """One sport in one environment.

    Attributes:
        files: The spec as it was read, and all that it extends, by the path it is mounted at.
        fixtures: When its games are.
    """

    plan: Plan
    infra: InfraSpec
    topics: Topics
    group: str
    files: Mapping[str, str]
    fixtures: Fixtures

    @property
    def sport(self) -> str:
        """Return its name."""
        return self.plan.sport

    @property
    def release(self) -> str:
        """Return its name as Kubernetes takes it; the name of its release."""
        return self.sport.replace("_", "-")

    @property
    def namespace(self) -> str:
        """Return the namespace of its pods."""
        return f"odds-{self.release}"

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the environment's values."""
        return self.plan.deployment.values

    @property
    def kafka(self) -> Mapping[str, Any]:
        """Return where the environment's brokers are; empty where it has none."""
        return self.values.get("kafka") or {}

    @property
    def security(self) -> Mapping[str, Any]:
        """Return how the environment logs in to its brokers; empty where they ask for nothing."""
        return self.kafka.get("security") or {}

    @property
    def cache(self) -> Mapping[str, Any]:
        """Return where the environment's Redis is."""
        return self.values.get("redis") or {}

    @property
    def store(self) -> Mapping[str, Any]:
        """Return where the environment's ClickHouse is, where publishers write to it."""
        written = any(sink.kind == "clickhouse" for sink in self.plan.published)
        return (self.values.get("clickhouse") or {}) if written else {}

    @property
    def replication(self) -> int:
        """Return how many copies of a partition there are."""
        return int(self.kafka.get("replication") or 1)

    @property
    def brokers(self) -> str:
        """Return the bootstrap servers."""
        return str(self.kafka.get("brokers") or "")

    @property
    def is_live(self) -> bool:
        """Whether the feed is received by an ingest, and is no Kafka topic itself."""
        return self.plan.feed.protocol != "kafka"

    @property
    def peak_rate(self) -> int:
        """Return the events a second that workers are sized for."""
        return math.ceil(self.plan.load.peak_rate * self.infra.headroom)

    def windows(self) -> list[Window]:
        """Return when games are on, with the time to get ready: by date where those are known."""
        return self._windows

    @cached_property
    def _windows(self) -> list[Window]:
        if self.fixtures.seasons:
            return dated_windows(self.fixtures, self.infra.node_boot)
        return self.weekly_windows()

    def weekly_windows(self) -> list[Window]:
        """Return the windows of any week of the season."""
        return windows(self.plan.schedule, self.infra.node_boot)

    def season_window(self) -> Window:
        """Return the season with a day on both sides, as cron lines."""
        times = self.plan.schedule
        first, last = season_of(times, 2001)  # no leap year
        begins, ends = first - timedelta(days=1), last + timedelta(days=1)
        minutes = ((ends - begins).days % 365 or 365) * 24 * 60
        opens, closes = (f"0 12 {day.day} {day.month} *" for day in (begins, ends))
        return Window(opens, closes, minutes, 1)

    def open_minutes(self) -> float:
        """Return the minutes of a week in season for which it is ready for games, on average."""
        total = sum(one.minutes * one.days for one in self.windows())
        if not self.fixtures.seasons:
            return total
        days = 0
        for one in self.fixtures.seasons:
            first, last = season_of(self.plan.schedule, one.season)
            days += (last - first).days + 1
        return total / days * 7

    def wanted(self, games: int, stage: Stage = Stage.PRICE) -> int:
        """Return the workers for so many games at once, 0 for as many as are planned for.

        A game alone, as in play-offs, has two where `least` is two: the second stands by.
        """
        load = self.worker(stage)
        if not games:
            return load.least
        share = min(games / self.plan.load.games_at_once, 1)
        return min(max(self.infra.least, math.ceil(self.carried(share, stage))), load.most)

    def factor(self) -> float:
        """Return how many times its usual rate a game sends when all its phases hold at once."""
        return math.prod(max(one.multiplier, 1.0) for one in self.plan.load.phases)

    def games_a_worker(self, stage: Stage = Stage.PRICE) -> float:
        """Return how many games at their usual rate one worker carries, rounded down."""
        usual = self.carried(stage=stage) / self.plan.load.games_at_once / self.factor()
        return max(math.floor(10 / usual) / 10, 0.1)

    def workers_on(self, stage: Stage) -> float:
        """Return how many workers there are while windows are open, on average."""
        found = self.windows()
        total = sum(one.minutes * one.days for one in found)
        return sum(self.wanted(one.games, stage) * one.minutes * one.days for one in found) / total

    def carried(self, share: float = 1.0, stage: Stage = Stage.PRICE) -> float:
        """Return how many workers of a stage a share of the peak keeps busy."""
        maps = stage is self.first and self.plan.feed.format != "event"
        rate = JSON_RATE if maps else EVENT_RATE
        return self.peak_rate * share / rate

    def caches(self) -> list[str]:
        """Return the sinks that keep current odds in a cache, fed from the odds topic."""
        return [sink.name for sink in self.plan.published if sink.kind == "redis"]

    @property
    def first(self) -> Stage:
        """Return the stage that reads the feed's topic."""
        return Stage.NORMALISE if self.plan.apart else Stage.PRICE

    def reads(self, stage: Stage) -> tuple[str, str]:
        """Return the group of a stage's workers, and the topic that they read."""
        if not self.plan.apart:
            return self.group, self.topics.feed
        topic = self.topics.feed if stage is self.first else self.topics.normalised
        return stage_group(self.group, stage), topic

    def workloads(self) -> list[Workload]:
        """Return its components."""
        made = [self.worker(stage) for stage in dict.fromkeys((self.first, Stage.PRICE))]
        if self.is_live:
            spill = int(self.plan.feed.options.get("spill") or 0)
            # The provider takes back what its place is not told: one at a time, on a disk.
            made.insert(0, Workload("ingest", 1, 1, 1, OTHER_CORES, SERVICE_MEMORY, 2 * spill))
        if self.plan.published:
            # Events are read as well where they go to ClickHouse: every one of the peak.
            times = 2 if self.plan.apart else 1
            made.append(Workload("publish", 1, 1, 1, times * OTHER_CORES, times * SERVICE_MEMORY))
        return made

    def worker(self, stage: Stage = Stage.PRICE) -> Workload:
        """Return its workers of a stage: those that price games, or those that normalise."""
        return self._workers[stage]

    @cached_property
    def _workers(self) -> Mapping[Stage, Workload]:
        return {stage: self._worker(stage) for stage in WORKS}

    def _worker(self, stage: Stage) -> Workload:
        wanted = math.ceil(self.carried(stage=stage))
        # A worker without a game has nothing to do: a game is on one partition.
        useful = min(self.plan.feed.partitions, self.plan.load.games_at_once)
        least = min(max(self.infra.least, wanted), useful)
        most = min(2 * least, useful)
        total = sum(line.bytes for line in memory_of(self.plan)) * SPARE
        memory = math.ceil(total / STEP_BYTES) * STEP_BYTES
        idle = min(self.infra.idle, least)
        rest = idle if self.infra.off_season is None else min(self.infra.off_season, idle)
        return Workload(str(stage), least, most, idle, PRICE_CORES, memory, rest=rest)

    def topic_list(self) -> list[Topic]:
        """Return its topics, with the settings that the running pipeline gives them."""
        configs, names = topic_configs(self.topics, apart=self.plan.apart), self.topics
        common = {"min.insync.replicas": str(max(self.replication - 1, 1))}
        size = event_bytes(self.plan.layout) // 4 if self.plan.feed.format == "event" else 250
        # What is kept for days is sized by a week of the spec, whatever this season's is like.
        on_s = sum(one.minutes * one.days for one in self.weekly_windows()) * 60 / 7
        fed = int(self.plan.load.peak_rate * size * on_s)
        odds = int(self.plan.load.games_at_once * BOARDS_A_GAME * BOARD_BYTES * on_s)
        kept = {"retention.ms": str(self.plan.feed.retention_us // 1000)}
        dead = next((s.options.get("keep") for s in self.plan.sinks if s.kind == "dead_letters"), 0)
        made = [
            self._topic(names.feed, common | {"cleanup.policy": "delete"} | kept,
                        "ingest" if self.is_live else "provider",
                        "The provider's messages, each game on one partition.", fed),
            self._topic(names.odds, common | dict(configs[names.odds])
                        | {"retention.ms": str(self.infra.odds_kept // 1000)},
                        "price", "Odds messages; partners read them.", odds),
            self._topic(corrections_topic(names), common | dict(configs[names.odds])
                        | {"retention.ms": str(self.infra.odds_kept // 1000)},
                        "price", "Odds that were wrong, corrected afterwards; partners read them.",
                        odds // 100),
            self._topic(names.dead_letters, common | dict(configs[names.dead_letters])
                        | {"retention.ms": str(int(dead or 14 * DAY_US) // 1000)},
                        "price", "What was turned away, with its bytes and reason.", fed // 100),
        ]  # fmt: skip
        if self.plan.apart:
            made.insert(
                1,
                self._topic(names.normalised, common | dict(configs[names.normalised]) | kept,
                            "normalise", "Every sound event, once and in the order of its game.",
                            int(self.plan.load.peak_rate * (size + TAIL_BYTES) * on_s)),
            )  # fmt: skip
        for stage in dict.fromkeys((self.first, Stage.PRICE)):
            own = {Stage.NORMALISE: names.of_normalise(), Stage.PRICE: names.of_price()}[stage]
            name = own.snapshots if self.plan.apart else names.snapshots
            made.append(self._topic(name, common | dict(configs[name]), str(stage),
                                    "State of each partition; never edit it.", 0))  # fmt: skip
        if names.shadow:
            made.append(
                self._topic(names.shadow, common | dict(configs[names.shadow])
                            | {"retention.ms": str(self.infra.odds_kept // 1000)},
                            "price", "What the shadow says of the odds; for no partner.", odds)
            )  # fmt: skip
        if self.is_live:
            made.append(
                Topic(ingest_topic(self.sport), 1, self.replication,
                      common | {"cleanup.policy": "compact"}, "ingest",
                      "How far the feed has been brought.", 0)
            )  # fmt: skip
        return made

    def _topic(
        self, name: str, configs: Mapping[str, str], writer: str, meaning: str, size: int
    ) -> Topic:
        partitions = self.plan.feed.partitions
        return Topic(name, partitions, self.replication, configs, writer, meaning, size)

    def secrets(self) -> list[Secret]:
        """Return the secrets that its pods read, each once."""
        found: dict[tuple[str, str], Secret] = {}
        feed = self.plan.feed.options.get("security") or {}
        for place in (self.security, feed, self.cache, self.store):
            one = secret_of(place)
            if one is not None:
                found[one.path, one.key] = one
        return [found[parts] for parts in sorted(found)]


@dataclass(frozen=True, slots=True)
class Input:
    """A value that a spec takes from an environment variable.

    Attributes:
        name: Of the variable.
        value: What it was when this was rendered.
        is_default: Whether it is the spec's own, because the variable was not set.
    """

    name: str
    value: str
    is_default: bool

    @property
    def must_be_set(self) -> bool:
        """Whether the default is none that anybody could use."""
        hosts = ("example.com", "localhost", "127.0.0.1", "example-")
        return self.is_default and any(host in self.value for host in hosts)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All sports of one environment.

    Attributes:
        platform: Text of the platform file, as pods read it.
        inputs: Values that come from outside.
        before: Environments that an image runs in before it comes here, in the platform's order.
    """

    environment: str
    members: tuple[Member, ...]
    platform: str
    partners: Mapping[str, Any]
    owners: Mapping[str, Any]
    inputs: tuple[Input, ...]
    before: tuple[str, ...] = ()

    def secret_paths(self) -> list[str]:
        """Return the paths of the secrets that pods of all sports read."""
        return sorted({one.path for member in self.members for one in member.secrets()})

    def partner_topics(self) -> dict[str, list[str]]:
        """Return the topics of odds that each partner may read, by its name, in order."""
        odds = {
            member.sport: (member.topics.odds, corrections_topic(member.topics))
            for member in self.members
        }
        return {
            name: [topic for sport in partner["sports"] for topic in odds.get(sport, ())]
            for name, partner in sorted(self.partners.items())
        }


def member_of(plan: Plan, infra: InfraSpec, files: Mapping[str, str], fixtures: Fixtures) -> Member:
    """Return a sport as it is deployed."""
    return Member(plan, infra, topics_of(plan), group_of(plan, None), files, fixtures)

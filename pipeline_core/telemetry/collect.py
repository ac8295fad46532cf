"""From a reading of a run to Prometheus samples, at the time of the scrape only."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from oddspipe import __version__
from oddspipe.core.clock import Clock
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.meter import BUCKETS_AN_OCTAVE, Histogram, rss_mb
from oddspipe.core.schedules.fixtures import Fixtures
from oddspipe.core.stages.anomalies import codes_of
from oddspipe.core.telemetry import catalogue as c
from oddspipe.core.telemetry.catalogue import Metric
from oddspipe.core.telemetry.phases import Phases
from oddspipe.core.telemetry.readings import Reading, SinkReading

SECOND_US: Final = 1_000_000
_ENTRIES: Final = ("taken", "out", "duplicates")

Labels = TypeVar("Labels", bound=tuple[str, ...])


class RunCollector(Collector):
    """Collects the metrics of one run.

    Args:
        plan: What runs.
        read: Reads the run.
        clock: The time.
        fixtures: When games are; by the plan's weekly windows alone when left out.
    """

    def __init__(
        self,
        plan: Plan,
        read: Callable[[], Reading],
        clock: Clock,
        fixtures: Fixtures | None = None,
    ) -> None:
        """Take the run; nothing is read before a scrape."""
        self._plan, self._read, self._clock = plan, read, clock
        self._fixtures = fixtures or Fixtures(plan.schedule)
        self._phases = Phases(plan)
        self._seen: dict[tuple[int, str, str, str], int] = {}
        self._total: dict[tuple[str, str, str], int] = {}
        # The one book of a run in one process is its own from the beginning.
        self._known = set() if plan.deployment.source == "kafka" else {0}

    def describe(self) -> Iterable[Family]:
        """Return nothing: a registry shall not read a run that has not begun."""
        return []

    @override
    def collect(self) -> Iterator[Family]:
        """Yield every metric that this kind of run has."""
        reading = self._read()
        yield self._info()
        yield from self._work(reading)
        yield from self._books(reading)
        yield from self._games(reading)
        yield from self._accuracy(reading)
        yield from self._shadow(reading)
        yield from self._sinks(reading.sinks)
        yield from self._live(reading)
        yield self._family(c.MEMORY, {(): rss_mb() * 1e6})

    def _info(self) -> Family:
        plan = self._plan
        environment = plan.deployment.environment
        labels = (environment, plan.logic_digest, plan.deployment_digest, __version__)
        return self._family(c.PLAN, {labels: 1})

    def _work(self, reading: Reading) -> Iterator[Family]:
        yield self._family(c.EVENTS, {(): reading.events})
        yield self._family(c.BOARDS, {(): reading.boards})
        yield self._family(c.SNAPSHOTS, {(): reading.snapshots})
        yield self._family(c.PARTITIONS, {(): len(reading.committed)})
        positions = {(str(partition),): at for partition, at in reading.committed.items()}
        yield self._family(c.COMMITTED, positions)
        for metric, value in (
            (c.FAILURES, reading.failures),
            (c.COMMITS, reading.commits),
            (c.RESTARTS, reading.restarts),
        ):
            if value is not None:
                yield self._family(metric, {(): value})

    def _books(self, reading: Reading) -> Iterator[Family]:
        held: dict[tuple[str, ...], float] = {}
        unaccounted: dict[tuple[str, ...], float] = {}
        for partition, accounts in reading.books.items():
            for account in accounts:
                stage = (account.stage,)
                held[stage] = held.get(stage, 0) + account.held_after
                unaccounted[stage] = unaccounted.get(stage, 0) + account.balance()
                for entry in _ENTRIES:
                    self._add(partition, account.stage, entry, "", getattr(account, entry))
                for reason, count in list(account.rejected.items()):
                    self._add(partition, account.stage, "rejected", reason, count)
                for reason, count in list(account.dropped.items()):
                    self._add(partition, account.stage, "dropped", reason, count)
                for code, count in list(account.flagged.items()):
                    self._add(partition, account.stage, "flagged", code, count)
        self._known = set(reading.books)
        self._seen = {key: value for key, value in self._seen.items() if key[0] in self._known}
        rows = {(s, e): n for (s, e, _), n in self._total.items() if e in _ENTRIES}
        yield self._family(c.ROWS, rows)
        yield self._family(c.REJECTED, self._by_reason("rejected"))
        yield self._family(c.DROPPED, self._by_reason("dropped"))
        yield self._family(c.ANOMALIES, self._by_code())
        yield self._family(c.HELD, held)
        yield self._family(c.UNACCOUNTED, unaccounted)
        yield self._family(c.HELD_BACK, {(): len(reading.suspended)})

    def _add(self, partition: int, stage: str, entry: str, reason: str, now: int) -> None:
        """Count what a book grew by since the last look.

        Books come and go with partitions, and with what other workers had written in them: a book
        counts from where it stood when it was first seen.
        """
        key = (partition, stage, entry, reason)
        before = self._seen.get(key, 0 if partition in self._known else now)
        self._seen[key] = now
        total = (stage, entry, reason)
        # A book that was taken up anew from a snapshot begins lower; what it repeats counts once.
        self._total[total] = self._total.get(total, 0) + max(now - before, 0)

    def _by_reason(self, entry: str) -> dict[tuple[str, str], int]:
        return {(s, r): n for (s, e, r), n in self._total.items() if e == entry}

    def _by_code(self) -> dict[tuple[str], int]:
        """Return the anomalies of all stages by their code; those that a plan names begin at 0."""
        found = dict.fromkeys(
            ((code,) for code in codes_of(self._plan.rules, self._plan.odds.guards)), 0
        )
        for (_, entry, code), count in self._total.items():
            if entry == "flagged":
                found[code,] = found.get((code,), 0) + count
        return found

    def _games(self, reading: Reading) -> Iterator[Family]:
        after_us = self._plan.alerts["silent_game"]
        pulses = reading.pulses
        yield self._family(c.LIVE, {(): sum(pulse.live() for pulse in pulses)})
        yield self._family(c.UNPRICED, {(): sum(pulse.unpriced(after_us) for pulse in pulses)})
        yield self._family(c.EXPECTED, {(): self._fixtures.on(_moment(self._clock))})
        load, phased = self._phases.of(reading.states)
        yield self._family(c.GAME_LOAD, {(): load})
        yield self._family(c.PHASED, {(name,): games for name, games in phased.items()})
        for metric, times in (
            (c.INPUT_TIME, [pulse.input_us for pulse in pulses]),
            (c.ODDS_TIME, [pulse.odds_us for pulse in pulses]),
        ):
            if newest := max(times, default=0):
                yield self._family(metric, {(): newest / SECOND_US})

    def _accuracy(self, reading: Reading) -> Iterator[Family]:
        whose = {"champion": reading.accuracy}
        if reading.shadow is not None:
            whose["shadow"] = reading.shadow.accuracy
        found = {role: one for role, one in whose.items() if one is not None}
        if not found:
            return
        yield self._family(c.SCORED, {(role,): one.games for role, one in found.items()})
        scores = {
            (role, name): value
            for role, one in found.items()
            if one.games
            for name, value in one.as_report().items()
            if name != "games"
        }
        if scores:
            yield self._family(c.ACCURACY, scores)

    def _shadow(self, reading: Reading) -> Iterator[Family]:
        if (shadow := reading.shadow) is not None:
            yield self._family(c.SHADOW_FAILURES, {(): shadow.failures})
            yield self._family(c.SHADOW_OFF, {(): shadow.off})

    def _sinks(self, sinks: Sequence[SinkReading]) -> Iterator[Family]:
        """Yield what is known of each; kinds of runs differ in what they know."""
        yield self._family(c.SINK_UP, {(one.name,): not one.trouble for one in sinks})
        yield self._family(c.SINK_OUTPUTS, {(one.name,): one.outputs for one in sinks})
        retries = {(s.name,): s.retries for s in sinks if s.retries is not None}
        waiting = {(s.name,): s.waiting for s in sinks if s.waiting is not None}
        for metric, values in ((c.SINK_RETRIES, retries), (c.SINK_WAITING, waiting)):
            if values:
                yield self._family(metric, values)
        if times := {(s.name,): s.latency for s in sinks if s.latency is not None}:
            yield self._histogram(c.LATENCY, times)

    def _live(self, reading: Reading) -> Iterator[Family]:
        if (live := reading.live) is not None:
            yield self._family(c.CONNECTED, {(live.protocol,): not live.trouble})
            yield self._family(c.SPOOL, {(): live.spool_bytes})
            yield self._family(c.SPOOL_LIMIT, {(): live.limit_bytes})

    def _family(self, metric: Metric, values: Mapping[Labels, float]) -> Family:
        """Return a metric's samples; labels are those besides the sport."""
        make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = make(metric.family, metric.meaning, labels=["sport", *metric.labels])
        for labels, value in sorted(values.items()):
            family.add_metric([self._plan.sport, *labels], float(value))
        return family

    def _histogram(self, metric: Metric, values: Mapping[Labels, Histogram]) -> Family:
        labels = ["sport", *metric.labels]
        family = HistogramMetricFamily(metric.family, metric.meaning, labels=labels)
        for label, times in values.items():
            buckets, total_s = buckets_of(times)
            family.add_metric([self._plan.sport, *label], buckets, total_s)
        return family


def _moment(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_us() / SECOND_US, UTC)


def buckets_of(times: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Return cumulative buckets as Prometheus takes them, and the sum in seconds.

    Ours are 4.4 % wide: an edge between two of them counts the lower one whole; the sum takes the
    middle of each.

    >>> h = Histogram()
    >>> h.add(np.array([2_000_000] * 3 + [700_000_000]))
    >>> buckets_of(h)[0][0], buckets_of(h)[0][-1], round(buckets_of(h)[1], 2)
    (('0.005', 3.0), ('+Inf', 4.0), 0.72)
    """
    counts = times.counts.copy()
    so_far = np.cumsum(counts)
    found = []
    for edge in c.BUCKETS_S:
        at = int(np.log2(edge * 1e9) * BUCKETS_AN_OCTAVE)
        found.append((str(edge), float(so_far[at])))
    middles = 2.0 ** ((np.arange(len(counts)) - 0.5) / BUCKETS_AN_OCTAVE) / 1e9
    return [*found, ("+Inf", float(so_far[-1]))], float((counts * middles).sum())

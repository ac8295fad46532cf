"""From a plan to the ingest of a live feed: what is received goes to the sport's raw topic."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oddspipe.core.adapters.kafka.access import cluster_of, make_topics
from oddspipe.core.adapters.kafka.feed_server import Placed
from oddspipe.core.adapters.kafka.ingest import Ingest
from oddspipe.core.adapters.kafka.topics import ingest_topic
from oddspipe.core.adapters.live.source import LiveSource, messages_of
from oddspipe.core.adapters.live.spool import Spool
from oddspipe.core.adapters.state_folder import StateFolder
from oddspipe.core.assemble_live import SPOOL_FOLDER, receiver_of
from oddspipe.core.assemble_stages import topics_of
from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import StateError
from oddspipe.core.plan.model import Plan
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.meter import peak_rss_mb
from oddspipe.core.stages.raw import RawMessages

ID_FILE: Final = "id"


@dataclass(slots=True)
class IngestRun:
    """An ingest that is ready: its folder is locked, its topics are there."""

    plan: Plan
    source: LiveSource
    ingest: Ingest
    raw: str
    brokers: str
    made: list[str]
    _folder: StateFolder
    _spool: Spool
    _clock: Clock
    _seconds: float = 0.0

    def go(self, stop: StopSwitch) -> dict[str, Any]:
        """Bring the feed until `stop` is turned, and return the report.

        Raises:
            OddspipeError: It could not go on; what was committed stands.
        """
        begun = self._clock.monotonic_ns()
        try:
            self.ingest.run(lambda: stop.requested, self._spool.begin_after, self._spool.first)
        finally:
            self._folder.release()
        self._seconds = (self._clock.monotonic_ns() - begun) / 1e9
        return self.report(stop)

    def report(self, stop: StopSwitch) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "plan": self.plan.logic_digest,
            "deployment": self.plan.deployment_digest,
            "sport": self.plan.sport,
            "environment": self.plan.deployment.environment,
            "stage": "ingest",
            "topic": self.raw,
            "stopped_by": stop.reason or None,
            "seconds": round(self._seconds, 3),
            "records": self.ingest.sent,
            "position": self.ingest.committed,
            "commits": self.ingest.commits,
            "restarts": self.ingest.restarts,
            "trouble": self.ingest.trouble,
            "peak_rss_mb": round(peak_rss_mb(), 1),
        }


def assemble_ingest(
    plan: Plan, state: Path, *, fresh: bool = False, clock: Clock | None = None
) -> IngestRun:
    """Lock the folder of the spool and make the topics that are missing.

    Args:
        plan: The plan; its feed is received live.
        state: Folder of the spool.
        fresh: Throw away what the spool holds; the provider goes on where the raw topic ends.
        clock: What pauses go by.

    Raises:
        UsageError: The environment names no cluster, or the feed's protocol is not received.
        StateError: Another process has the folder.
        RunError: The cluster does not answer, or the spool cannot be used.
    """
    clock = clock or SystemClock()
    receiver = receiver_of(plan)
    cluster, raw = cluster_of(plan), topics_of(plan).feed
    positions = ingest_topic(plan.sport)
    made = make_topics(cluster, {raw: {}}, plan.feed.partitions)
    made += make_topics(cluster, {positions: {"cleanup.policy": "compact"}}, 1)
    folder = StateFolder(state.absolute(), clock=clock)
    folder.acquire()
    try:
        if fresh:
            folder.clear()
        where = folder.path / SPOOL_FOLDER
        spool = Spool(where, plan.feed.options["spill"])
        ingest: Ingest
        source = LiveSource(plan, receiver, spool, lambda: ingest.committed, clock, raw=True)
        read = RawMessages(messages_of(plan))
        placed = Placed(plan, plan.feed.partitions, by_name=True)
        names = (raw, positions)
        ingest = Ingest(source, id_of(where), cluster, names, placed, read.events, clock)
    except BaseException:
        folder.release()
        raise
    return IngestRun(plan, source, ingest, raw, cluster.brokers, made, folder, spool, clock)


def id_of(folder: Path) -> str:
    """Return the id of a spool; a new one gets its own.

    Raises:
        StateError: It cannot be kept.
    """
    path = folder / ID_FILE
    try:
        if not path.exists():
            path.write_text(uuid.uuid4().hex)
        return path.read_text().strip()
    except OSError as error:
        raise StateError(f"{path} cannot be used: {error.strerror or error}") from error

"""Every metric, declared once: for what emits it, and for rules, dashboards and pages."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As Prometheus shows it, with the unit and, of a counter, `_total`.
        kind: counter, gauge or histogram.
        labels: Besides `sport`, which each has.
        meaning: One sentence.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def family(self) -> str:
        """Return the name without the suffix that the exposition format adds.

        >>> EVENTS.family
        'oddspipe_events'
        """
        return self.name.removesuffix("_total") if self.kind == "counter" else self.name


PORT: Final = 9464
"""Where workers in a cluster serve metrics, health and readiness."""
BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of latency, in seconds."""

PLAN = Metric(
    "oddspipe_plan_info", "gauge", ("environment", "logic", "deployment", "version"),
    "1; the labels say what runs: environment, both digests of the plan, version.",
)  # fmt: skip
EVENTS = Metric(
    "oddspipe_events_total", "counter", (), "Events taken from the feed since the process began."
)
ROWS = Metric(
    "oddspipe_stage_rows_total", "counter", ("stage", "entry"),
    "Rows of a stage's books by entry: taken, out, duplicates.",
)  # fmt: skip
REJECTED = Metric(
    "oddspipe_rejected_rows_total", "counter", ("stage", "reason"),
    "Rows that became dead letters, by reason code.",
)  # fmt: skip
DROPPED = Metric(
    "oddspipe_dropped_rows_total", "counter", ("stage", "reason"),
    "Rows that the spec says to drop, by reason.",
)  # fmt: skip
ANOMALIES = Metric(
    "oddspipe_anomalies_total", "counter", ("code",),
    "Anomalies that began, by code: events that break a rule, prices at which a guard begins to "
    "fire, games that fall silent or stand still.",
)  # fmt: skip
SCORED = Metric(
    "oddspipe_scored_games", "gauge", ("role",),
    "Finished games whose chances of a home win were scored by the result, by whose they are: of "
    "the champion, which is published, or of its shadow.",
)  # fmt: skip
ACCURACY = Metric(
    "oddspipe_accuracy", "gauge", ("role", "score"),
    "Mean over the scored games of champion or shadow: brier, log_loss, calibration_error (large "
    "where games are few).",
)  # fmt: skip
HELD = Metric("oddspipe_held_rows", "gauge", ("stage",), "Rows that a stage holds now.")
UNACCOUNTED = Metric(
    "oddspipe_unaccounted_rows", "gauge", ("stage",),
    "Loss balance: rows taken and held before, less all that they became; anything but 0 is a bug.",
)  # fmt: skip
HELD_BACK = Metric(
    "oddspipe_breaker_open_partitions", "gauge", (),
    "Partitions whose markets are suspended because too many messages became dead letters.",
)  # fmt: skip
BOARDS = Metric(
    "oddspipe_boards_total", "counter", (), "Odds messages published since the process began."
)
FAILURES = Metric(
    "oddspipe_model_failures_total", "counter", (),
    "Games that the model failed on; their markets were suspended.",
)  # fmt: skip
SHADOW_FAILURES = Metric(
    "oddspipe_shadow_failures_total", "counter", (),
    "Prices that the shadow failed to give; nothing that is published depends on them.",
)  # fmt: skip
SHADOW_OFF = Metric(
    "oddspipe_shadow_off", "gauge", (),
    "1 when the shadow failed too often and is not asked any more until the next start, else 0.",
)  # fmt: skip
LIVE = Metric(
    "oddspipe_live_games", "gauge", (), "Games that have begun and whose result is not known."
)
UNPRICED = Metric(
    "oddspipe_unpriced_games", "gauge", (),
    "Live games with a play, score or correction that no odds followed for `alerts.silent_game`.",
)  # fmt: skip
EXPECTED = Metric(
    "oddspipe_expected_games",
    "gauge",
    (),
    "Games that are on now by the imported schedule; by the weekly windows of the spec, special "
    "weeks left out, on days that none covers.",
)
PHASED = Metric(
    "oddspipe_phase_games", "gauge", ("phase",),
    "Live games that are in a phase of `load.phases`: red zone, last quarter, late innings.",
)  # fmt: skip
GAME_LOAD = Metric(
    "oddspipe_game_load", "gauge", (),
    "What live games ask for by their states: 1 each, times the multipliers of the phases that "
    "hold; workers are scaled by it.",
)  # fmt: skip
INPUT_TIME = Metric(
    "oddspipe_input_time_seconds", "gauge", (),
    "Ingest time of the newest event taken, as Unix time.",
)  # fmt: skip
ODDS_TIME = Metric(
    "oddspipe_odds_time_seconds", "gauge", (),
    "Ingest time of the newest event that odds were published for, as Unix time.",
)  # fmt: skip
SINK_UP = Metric(
    "oddspipe_sink_up", "gauge", ("sink",), "1 while the sink takes what it is given, else 0."
)
SINK_OUTPUTS = Metric(
    "oddspipe_sink_outputs_total", "counter", ("sink",), "Outputs that are durable in the sink."
)
SINK_RETRIES = Metric(
    "oddspipe_sink_retries_total", "counter", ("sink",), "Writes that were tried again."
)
SINK_WAITING = Metric(
    "oddspipe_sink_waiting_outputs", "gauge", ("sink",), "Outputs that wait for the sink."
)
LATENCY = Metric(
    "oddspipe_sink_latency_seconds", "histogram", ("sink",),
    "Arrival of the oldest event in a board until the sink has it.",
)  # fmt: skip
COMMITS = Metric(
    "oddspipe_commits_total", "counter", (), "Kafka transactions committed since the process began."
)
RESTARTS = Metric(
    "oddspipe_restarts_total", "counter", (),
    "Times that state was taken up anew after a failed transaction.",
)  # fmt: skip
PARTITIONS = Metric("oddspipe_partitions", "gauge", (), "Partitions of the feed that it has.")
COMMITTED = Metric(
    "oddspipe_committed_position", "gauge", ("partition",),
    "Input position before which everything is durable; offset of the feed over Kafka.",
)  # fmt: skip
SNAPSHOTS = Metric("oddspipe_snapshots_total", "counter", (), "Snapshots of state that were kept.")
CONNECTED = Metric(
    "oddspipe_feed_connected", "gauge", ("protocol",), "1 while the live feed is received, else 0."
)
SPOOL = Metric("oddspipe_spool_bytes", "gauge", (), "Bytes in the spool of the live feed.")
SPOOL_LIMIT = Metric(
    "oddspipe_spool_limit_bytes", "gauge", (), "Bytes at which the provider has to wait."
)
MEMORY = Metric("oddspipe_memory_bytes", "gauge", (), "Resident memory of the process.")

METRICS: Final = (
    PLAN, EVENTS, ROWS, REJECTED, DROPPED, ANOMALIES, SCORED, ACCURACY, HELD, UNACCOUNTED,
    HELD_BACK, BOARDS, FAILURES, SHADOW_FAILURES, SHADOW_OFF, LIVE, UNPRICED, EXPECTED, PHASED,
    GAME_LOAD, INPUT_TIME, ODDS_TIME, SINK_UP, SINK_OUTPUTS, SINK_RETRIES, SINK_WAITING, LATENCY,
    COMMITS, RESTARTS, PARTITIONS, COMMITTED, SNAPSHOTS, CONNECTED, SPOOL, SPOOL_LIMIT, MEMORY,
)  # fmt: skip
"""All of them."""

"""The alerts of a sport: when each fires, how it is tested, and what its runbook says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from oddspipe.core.infra.fleet import Member
from oddspipe.core.names import Policy
from oddspipe.core.telemetry import catalogue as m

SLO: Final = 0.999
"""Share of the minutes with live games in which the feed is priced in time."""
LATE_S: Final = 5
"""Behind by more than this, a minute counts against the objective."""
STEP_S: Final = 15
"""Between two looks at a rule, and two samples of a unit test."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        name: CamelCase; the file of its runbook.
        expr: PromQL.
        lasts: How long it must hold, e.g. `30s`.
        severity: page or ticket.
        summary, description: For who is woken; description may use `{{ $value }}`.
        bad, good: Series of the unit test, by their text, in which it fires and does not.
        hides: Alerts of the sport that say no more once this one is there.
        meaning, impact: For the runbook.
        first: Commands to begin with.
        decide: What to look for in them, and what to do then.
        partners: What partners are told; empty for nothing.
        reads: What the value in `description` reads like in the bad case.
    """

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    description: str
    bad: Mapping[str, str]
    good: Mapping[str, str]
    meaning: str
    impact: str
    first: tuple[str, ...]
    decide: tuple[str, ...]
    partners: str = ""
    hides: tuple[str, ...] = ()
    reads: str = ""


def alerts_of(member: Member) -> list[Alert]:
    """Return the alerts of a sport, in the order in which a person should see to them."""
    made = [_down(member), _silent(member), _unpriced(member), _behind(member), *_burns(member)]
    if member.is_live:
        made += [_cut_off(member), _spool(member)]
    made += [
        _unscheduled(member),
        _lost(member),
        _held(member),
        _rejects(member),
        _model(member),
        *_anomalies(member),
    ]
    made += _sinks(member)
    made += [_restarts(member), _memory(member), _drift(member)]
    return made


# Parts of expressions; one place where a metric's name becomes text.


def _of(member: Member, metric: m.Metric, *more: str) -> str:
    """Return a selector of a sport's series."""
    if metric not in m.METRICS:
        raise ValueError(f"{metric.name} is not declared")
    labels = ",".join([f'sport="{member.sport}"', *more])
    return f"{metric.name}{{{labels}}}"


def games_live(member: Member) -> str:
    """Return what holds while games are live."""
    return f"sum by (sport) ({_of(member, m.LIVE)}) > 0"


def behind_s(member: Member) -> str:
    """Return the seconds by which the newest event that was taken is behind."""
    return f"time() - max by (sport) ({_of(member, m.INPUT_TIME)})"


def _series(member: Member, metric: m.Metric, labels: str = "") -> str:
    return f'{metric.name}{{sport="{member.sport}"{labels}}}'


ALWAYS: Final = "x240"
"""One hour of samples."""


def _down(member: Member) -> Alert:
    plan = _series(member, m.PLAN, f',deployment="{member.plan.deployment_digest}"')
    return Alert(
        "OddspipeDown",
        f"absent({_of(member, m.PLAN)})",
        "2m", "page",
        f"{member.sport}: no process is there",
        f"No process of {member.sport} has been scraped for two minutes.",
        {}, {plan: f"1+0{ALWAYS}"},
        "Prometheus sees no process of the sport: none runs, or none can be scraped.",
        "No odds are made. Redis keys run out after their lifetime; partners get no messages.",
        (f"kubectl -n {member.namespace} get pods",
         f"kubectl -n {member.namespace} get events --sort-by=.lastTimestamp | tail -20",
         f"kubectl -n {member.namespace} logs -l oddspipe.io/sport={member.sport} --tail=50"),
        ("Pods are Pending: no node. See the cluster autoscaler and the limits of the node group.",
         "Pods end with exit code 1, 2 or 3: the deployment is wrong. Roll back (below).",
         "Pods run: the network policy or the PodMonitor keeps Prometheus from them."),
        f"{member.plan.title}: odds are suspended because of a technical fault.",
        ("OddspipeFeedSilent", "OddspipeUnpriced", "OddspipeBehind"),
    )  # fmt: skip


def _silent(member: Member) -> Alert:
    expected, live = _series(member, m.EXPECTED), _series(member, m.LIVE)
    return Alert(
        "OddspipeFeedSilent",
        f"max by (sport) ({_of(member, m.EXPECTED)}) > 0"
        f" unless on (sport) ({games_live(member)})",
        "20m", "page",
        f"{member.sport}: games should be on, the feed has none",
        "The schedule has {{ $value }} games on; the feed has brought none that is live.",
        {expected: f"6+0{ALWAYS}", live: f"0+0{ALWAYS}"},
        {expected: f"6+0{ALWAYS}", live: f"4+0{ALWAYS}"},
        "By the schedule games are on, and no event of a live game has come.",
        "No odds for these games. It is no fault where they were put off or the league pauses.",
        (cli_of(member, "explain"),
         f"kubectl -n {member.namespace} get pods",
         read_of(member, member.topics.feed)),
        ("The league's own page shows no games: silence the alert until the next window.",
         "Records come, games do not: see the dead letters (`oddspipe dlq list`).",
         "Nothing comes: call the provider."),
        f"{member.plan.title}: the provider's feed is interrupted.",
        ("OddspipeUnpriced",),
        reads="6",
    )  # fmt: skip


def _unscheduled(member: Member) -> Alert:
    expected, live = _series(member, m.EXPECTED), _series(member, m.LIVE)
    return Alert(
        "OddspipeUnscheduled",
        f"{games_live(member)}"
        f" unless on (sport) (max by (sport) ({_of(member, m.EXPECTED)}) > 0)",
        # A game may last so much longer than the mean.
        "50m", "ticket",
        f"{member.sport}: games are on that no schedule has",
        "{{ $value }} games are live, and the schedule has none.",
        {live: f"2+0{ALWAYS}", expected: f"0+0{ALWAYS}"},
        {live: f"2+0{ALWAYS}", expected: f"2+0{ALWAYS}"},
        "The imported schedule is of another season, or games were put off or added.",
        "They are priced as others are; workers come by lag only, and deployments are not held.",
        (f"oddspipe schedule --sport {member.sport} --env {member.plan.deployment.environment}",
         f"kubectl -n {member.namespace} get scaledobject",
         f"kubectl -n {member.namespace} get pods -l app.kubernetes.io/component=price"),
        ("A season has begun: `oddspipe schedule import FILE --sport …`, render, deploy.",
         "Games were moved: import the league's new schedule; the old file is replaced."),
        reads="2",
    )  # fmt: skip


def _unpriced(member: Member) -> Alert:
    series = _series(member, m.UNPRICED)
    seconds = member.plan.alerts["silent_game"] // 1_000_000
    return Alert(
        "OddspipeUnpriced",
        f"sum by (sport) ({_of(member, m.UNPRICED)}) > 0",
        f"{STEP_S}s", "page",
        f"{member.sport}: live games without odds",
        f"{{{{ $value }}}} live games have had a play that no odds followed for {seconds} s.",
        {series: f"2+0{ALWAYS}"}, {series: f"0+0{ALWAYS}"},
        f"A play, score or correction came and no odds message followed within {seconds} s.",
        "These games are offered at old prices until the markets go stale and are suspended.",
        (f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=price --tail=100",
         cli_of(member, "dlq list", _FAILED),
         cli_of(member, "verify")),
        ("Dead letters PLUGIN: the model fails. Roll the model back.",
         "Nothing in the log: send the log and the output of `verify` with a bug report."),
        f"{member.plan.title}: some games are suspended.",
        reads="2",
    )  # fmt: skip


def _behind(member: Member) -> Alert:
    seconds = max(member.plan.alerts["lag"], 2 * member.plan.feed.heartbeat_us) // 1_000_000
    at, live = _series(member, m.INPUT_TIME), _series(member, m.LIVE)
    return Alert(
        "OddspipeBehind",
        f"(({behind_s(member)}) > {seconds}) and on (sport) ({games_live(member)})",
        "30s", "page",
        f"{member.sport}: the newest event is old",
        f"The newest event that was taken is {{{{ $value }}}} s old; {seconds} s are allowed.",
        {at: f"0+1{ALWAYS}", live: f"3+0{ALWAYS}"},
        {at: f"0+{STEP_S}{ALWAYS}", live: f"3+0{ALWAYS}"},
        "Events wait in the feed's topic, or the feed has stopped in the middle of games.",
        "Odds are late by as much.",
        (read_of(member, member.topics.feed),
         f"kubectl -n {member.namespace} get scaledobject,pods",
         f"kubectl -n {member.namespace} top pods"),
        ("The newest record of the topic is old too: the feed has stopped; call the provider.",
         "A pod takes a whole core: raise `infra.least` or `infra.headroom` and render anew.",
         "A pod waits: see the brokers' own alerts."),
        f"{member.plan.title}: odds are late.",
        reads="3360",
    )  # fmt: skip


def _burns(member: Member) -> Iterator[Alert]:
    """Yield two pairs of windows: a fast burn that wakes, a slow one that is a ticket."""
    late = f'sport:oddspipe_late:bool{{sport="{member.sport}"}}'
    at, live = _series(member, m.INPUT_TIME), _series(member, m.LIVE)
    for word, windows, factor, severity, lasts in (
        ("Fast", ("1h", "5m"), 14.4, "page", "2m"),
        ("Slow", ("6h", "30m"), 6, "ticket", "15m"),
    ):
        budget = f"({factor} * {1 - SLO:.4f})"
        expr = " and ".join(f"avg_over_time({late}[{one}]) > {budget}" for one in windows)
        yield Alert(
            f"OddspipeBudget{word}Burn",
            expr, lasts, severity,
            f"{member.sport}: the error budget is spent {factor:g} times too fast",
            f"More of the live time was late than the {1 - SLO:.1%} that may be.",
            {at: f"0+1{ALWAYS}", live: f"3+0{ALWAYS}"},
            {at: f"0+{STEP_S}{ALWAYS}", live: f"3+0{ALWAYS}"},
            f"While games are live {SLO:.1%} of the time must be less than {LATE_S} s behind.",
            "Partners' promised latency is at risk.",
            (f"kubectl -n {member.namespace} get pods",
             read_of(member, member.topics.feed),
             f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=price --tail=100"),
            ("As for OddspipeBehind; if it comes and goes, look for what happens at those times.",),
        )  # fmt: skip


def _cut_off(member: Member) -> Alert:
    up, expected = _series(member, m.CONNECTED, ',protocol="p"'), _series(member, m.EXPECTED)
    return Alert(
        "OddspipeFeedCutOff",
        f"(max by (sport) ({_of(member, m.CONNECTED)}) == 0)"
        f" and on (sport) (max by (sport) ({_of(member, m.EXPECTED)}) > 0)",
        "1m", "page",
        f"{member.sport}: the provider cannot be reached",
        "The feed has not been received for a minute, and games should be on.",
        {up: f"0+0{ALWAYS}", expected: f"3+0{ALWAYS}"},
        {up: f"1+0{ALWAYS}", expected: f"3+0{ALWAYS}"},
        "The ingest tries to connect and does not succeed.",
        "No events come; markets go stale and are suspended.",
        (f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=ingest --tail=50",
         f"kubectl -n {member.namespace} get pods -l app.kubernetes.io/component=ingest",
         f"kubectl -n {member.namespace} describe networkpolicy"),
        ("HTTP 401, 403 or 404 in the log: the login or the address changed; see the spec's feed.",
         "It times out: the provider, or the way out of the cluster."),
        f"{member.plan.title}: the provider's feed is interrupted.",
        ("OddspipeFeedSilent", "OddspipeBehind"),
    )  # fmt: skip


def _spool(member: Member) -> Alert:
    size, limit = _series(member, m.SPOOL), _series(member, m.SPOOL_LIMIT)
    return Alert(
        "OddspipeSpoolFills",
        f"max by (sport) ({_of(member, m.SPOOL)})"
        f" / max by (sport) ({_of(member, m.SPOOL_LIMIT)}) > 0.5",
        "1m", "page",
        f"{member.sport}: the spool of the feed is half full",
        "{{ $value | humanizePercentage }} of the spool is taken; then the provider waits.",
        {size: f"60+0{ALWAYS}", limit: f"100+0{ALWAYS}"},
        {size: f"10+0{ALWAYS}", limit: f"100+0{ALWAYS}"},
        "What is received cannot be brought to the raw topic: the brokers are away or refuse.",
        "Odds stand still. Nothing is lost: what does not fit, the provider keeps.",
        (f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=ingest --tail=50",
         read_of(member, member.topics.feed),
         f"kubectl -n {member.namespace} get pvc"),
        ("The log names the brokers: see their own alerts; the spool drains in order by itself.",),
        "", ("OddspipeBehind",),
        reads="60%",
    )  # fmt: skip


def _lost(member: Member) -> Alert:
    series = _series(member, m.UNACCOUNTED, ',stage="order"')
    return Alert(
        "OddspipeUnaccounted",
        f"max by (sport, stage) (abs({_of(member, m.UNACCOUNTED)})) > 0",
        "2m", "page",
        f"{member.sport}: the books of a stage do not balance",
        "Stage {{ $labels.stage }} cannot account for {{ $value }} rows.",
        {series: f"3+0{ALWAYS}"}, {series: f"0+0{ALWAYS}"},
        "Rows taken and held are not all among those given out, rejected, doubled or dropped.",
        "Events may be lost or counted twice. It is a bug.",
        (cli_of(member, "verify"),
         f"kubectl -n {member.namespace} get pods",
         f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=price --tail=200"),
        ("`verify` finds nothing: restart the pod, and report the bug with the metrics' values.",
         "`verify` finds a loss: suspend the sport's markets, keep the topics, report it."),
        reads="3",
    )  # fmt: skip


def _held(member: Member) -> Alert:
    series = _series(member, m.HELD_BACK)
    breaker = member.plan.breaker
    return Alert(
        "OddspipeHeld",
        f"sum by (sport) ({_of(member, m.HELD_BACK)}) > 0",
        f"{STEP_S}s", "page",
        f"{member.sport}: the feed cannot be read any more, markets are suspended",
        f"{{{{ $value }}}} partitions turned away more than {breaker.max_rate:.0%} of their "
        "messages and take no more.",
        {series: f"3+0{ALWAYS}"}, {series: f"0+0{ALWAYS}"},
        "So much of the feed became dead letters that it must have changed. It is held; the sport "
        f"tries {breaker.probe} messages every {member.plan.breaker_pause_us // 1_000_000} s.",
        "All markets of these partitions are suspended (reason `error_rate`). Nothing is lost: "
        "what is not taken stays in the feed's topic for its retention.",
        (cli_of(member, "dlq list"),
         read_of(member, member.topics.feed),
         f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=price --tail=20"),
        ("The provider changed the format: mend the spec, deploy, then `oddspipe dlq replay`.",
         "A bad stretch lies before sound messages: `kubectl exec POD -- kill -USR1 1` takes all.",
         "A restart tries at once, with markets suspended until a probe is sound."),
        f"{member.plan.title}: odds are suspended because of a fault of the feed.",
        ("OddspipeRejects", "OddspipeUnpriced", "OddspipeBehind"),
        reads="3",
    )  # fmt: skip


def _rejects(member: Member) -> Alert:
    share = member.plan.alerts["reject_share"]
    bad = _series(member, m.REJECTED, ',stage="normalise",reason="MAPPING"')
    events = _series(member, m.EVENTS)
    return Alert(
        "OddspipeRejects",
        f"sum by (sport) (rate({_of(member, m.REJECTED)}[5m]))"
        f" / sum by (sport) (rate({_of(member, m.EVENTS)}[5m])) > {share:g}",
        "2m", "page",
        f"{member.sport}: too much of the feed is turned away",
        f"{{{{ $value | humanizePercentage }}}} of the events became dead letters; "
        f"{share:.1%} may.",
        {bad: f"0+50{ALWAYS}", events: f"0+1000{ALWAYS}"},
        {bad: f"0+1{ALWAYS}", events: f"0+1000{ALWAYS}"},
        "The feed sends what the spec does not allow, or the spec is wrong.",
        "Games miss events; their odds may be off.",
        (cli_of(member, "dlq list"),
         cli_of(member, "dlq show", " 0:0"),
         cli_of(member, "dlq replay", " --dry-run")),
        ("One reason, all games: the provider changed the format. Mend the spec, deploy, replay.",
         "One game: ask the provider about it."),
        reads="5%",
    )  # fmt: skip


def _anomalies(member: Member) -> Iterator[Alert]:
    """Yield the alert on what the spec says to publish and to tell of, if there is any."""
    odds, rules = member.plan.odds, member.plan.rules
    policies = [(guard.name, guard.policy) for guard in odds.guards]
    policies += [*((rule.name, rule.policy) for rule in rules), *odds.policies]
    codes = [code for code, policy in policies if policy == Policy.ALERT]
    if not codes:
        return
    found = _of(member, m.ANOMALIES, f'code=~"{"|".join(codes)}"')
    series = _series(member, m.ANOMALIES, f',code="{codes[0]}"')
    yield Alert(
        "OddspipeAnomalies",
        f"sum by (sport, code) (increase({found}[5m])) > 0",
        "0s", "ticket",
        f"{member.sport}: a rule or guard found something odd",
        "{{ $labels.code }} came {{ $value | humanize }} times in five minutes; it was published.",
        {series: f"0+1{ALWAYS}"}, {series: f"4+0{ALWAYS}"},
        f"One of {', '.join(f'`{code}`' for code in codes)}, whose policy in the spec is `alert`.",
        "None by itself: prices go out. They may be off.",
        (cli_of(member, "list rules"), cli_of(member, "explain"), cli_of(member, "dlq list")),
        ("One game: compare its prices with other books; suspend it by hand if they differ.",
         "All games: the feed or the model changed. Set the policy to `suspend` until mended."),
        reads="20",
    )  # fmt: skip


def _model(member: Member) -> Alert:
    failed = _of(member, m.REJECTED, 'reason="PLUGIN"')
    series = _series(member, m.REJECTED, ',stage="price",reason="PLUGIN"')
    return Alert(
        "OddspipeModelFails",
        f"sum by (sport) (increase({failed}[5m])) > 0",
        "0s", "page",
        f"{member.sport}: the model fails",
        "The model failed on {{ $value | humanize }} games in five minutes; they are suspended.",
        {series: f"0+1{ALWAYS}"}, {series: f"4+0{ALWAYS}"},
        f"`{member.plan.model.name}` raised an error, or gave no distribution.",
        "The games are suspended until the model prices them again.",
        (cli_of(member, "dlq list", _FAILED),
         f"oddspipe plugin check {member.plan.model.name} --sport {member.sport}",
         _history(member)),
        ("It began with a deployment: roll back (below).",
         "It began with a state that never came before: send the dead letter to the model's team."),
        f"{member.plan.title}: some games are suspended.",
        reads="20",
    )  # fmt: skip


def _sinks(member: Member) -> Iterator[Alert]:
    for sink in member.plan.published:
        up = _of(member, m.SINK_UP, f'sink="{sink.name}"')
        series = _series(member, m.SINK_UP, f',sink="{sink.name}"')
        name = "OddspipeSink" + "".join(part.title() for part in sink.name.split("_")) + "Down"
        kept = "The odds topic keeps what is missing."
        if sink.kind == "redis":
            ttl_s = sink.options.get("ttl", 0) / 1e6
            effect = f"Its keys run out after {ttl_s:g} s: readers see that the publisher is gone."
            causes = (
                "The cache is away: fail over to its replica; what is missing is caught up.",
                "The login is refused: see the secret.",
            )
        else:
            effect = "Nobody who takes odds notices; analysts see no new rows."
            causes = (
                "The server is away or full: mend it, then watch the history catch up.",
                "The table keeps no tokens, or the login is refused: the log says what to do.",
            )
        yield Alert(
            name,
            f"min by (sport) ({up}) == 0",
            "1m", "page" if sink.kind == "redis" else "ticket",
            f"{member.sport}: {sink.name} takes no odds",
            f"{sink.name} ({sink.kind}) has not taken odds for a minute.",
            {series: f"0+0{ALWAYS}"}, {series: f"1+0{ALWAYS}"},
            f"`{sink.name}` refuses, or cannot be reached. Pricing goes on.",
            f"{effect} {kept}",
            (f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=publish --tail=50",
             f"kubectl -n {member.namespace} get pods -l app.kubernetes.io/component=publish",
             read_of(member, member.topics.odds)),
            causes,
        )  # fmt: skip


def _restarts(member: Member) -> Alert:
    series = _series(member, m.RESTARTS)
    return Alert(
        "OddspipeTransactionsFail",
        f"sum by (sport) (increase({_of(member, m.RESTARTS)}[10m])) > 3",
        "0s", "ticket",
        f"{member.sport}: transactions fail again and again",
        "State was taken up anew {{ $value | humanize }} times in ten minutes.",
        {series: f"0+1{ALWAYS}"}, {series: f"2+0{ALWAYS}"},
        "Commits end in an error or in no answer; each time state is taken up anew.",
        "Odds are late by the time that takes, about a second each.",
        (f"kubectl -n {member.namespace} logs -l app.kubernetes.io/component=price --tail=100",
         read_of(member, member.topics.odds),
         f"kubectl -n {member.namespace} get pods"),
        ("The log names a broker: see its own alerts.",),
        reads="40",
    )  # fmt: skip


def _memory(member: Member) -> Alert:
    limit = member.worker().memory_bytes
    series = _series(member, m.MEMORY, ',pod="p"')
    return Alert(
        "OddspipeMemory",
        f"max by (sport) ({_of(member, m.MEMORY)}) > {int(0.9 * limit)}",
        "5m", "ticket",
        f"{member.sport}: a worker is near its limit of memory",
        f"A process takes {{{{ $value | humanize1024 }}}}B of {limit >> 20} MiB.",
        {series: f"{int(0.95 * limit)}+0{ALWAYS}"}, {series: f"{int(0.5 * limit)}+0{ALWAYS}"},
        "A process takes more than nine tenths of what the plan's bound allows for.",
        "Beyond the limit it is killed and takes its state up anew: a pause of seconds.",
        (cli_of(member, "explain"),
         f"kubectl -n {member.namespace} top pods",
         f"kubectl -n {member.namespace} get pods"),
        ("The feed sends more than `load.peak_rate`: raise it in the spec, and render anew.",),
        reads=_humanized(int(0.95 * limit)),
    )  # fmt: skip


def _humanized(value: float) -> str:
    """Return a number as `humanize1024` writes it.

    >>> _humanized(1402365542)
    '1.306Gi'
    """
    prefixes = iter(("", "Ki", "Mi", "Gi", "Ti"))
    prefix = next(prefixes)
    while value >= 1024:
        value, prefix = value / 1024, next(prefixes)
    return f"{value:.4g}{prefix}"


def _drift(member: Member) -> Alert:
    wanted = member.plan.deployment_digest
    others = _of(member, m.PLAN, f'deployment!="{wanted}"')
    return Alert(
        "OddspipePlanDrift",
        f"count by (sport) ({others}) > 0",
        "30m", "ticket",
        f"{member.sport}: something else runs than what was deployed",
        "{{ $value }} processes run another plan than the one these rules were rendered with.",
        {_series(member, m.PLAN, ',deployment="other"'): f"1+0{ALWAYS}"},
        {_series(member, m.PLAN, f',deployment="{wanted}"'): f"1+0{ALWAYS}"},
        f"These rules belong to the deployment {wanted[:16]}…; a process says otherwise.",
        "Thresholds and dashboards may not fit what runs.",
        (cli_of(member, "plan", " --digest"),
         f"kubectl -n {member.namespace} get pods -L oddspipe.io/deployment",
         "oddspipe render-infra --check"),
        ("A rollout is on its way: wait for it.",
         "A variable differs between rendering and pods: see the inputs in README.md."),
        reads="1",
    )  # fmt: skip


_FAILED: Final = " --where \"reason = 'PLUGIN'\""


def cli_of(member: Member, command: str, more: str = "") -> str:
    """Return a command of ours about the sport."""
    environment = member.plan.deployment.environment
    return f"oddspipe {command} --sport {member.sport} --env {environment}{more}"


def _history(member: Member) -> str:
    return f"kubectl -n {member.namespace} rollout history statefulset/{member.release}-price"


def read_of(member: Member, topic: str) -> str:
    """Return the command that shows the newest record of a topic."""
    return (
        f"kafka-console-consumer.sh --bootstrap-server {member.brokers} --topic {topic} "
        "--command-config client.properties --max-messages 1 --property print.timestamp=true"
    )

"""Alerts on what serves all sports: brokers, cache, ClickHouse, scalers, pods."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from oddspipe.core.infra.alerts import ALWAYS, STEP_S, Alert
from oddspipe.core.infra.fleet import BOARDS_A_GAME, Fleet
from oddspipe.core.infra.helm import MONITORING, PROMETHEUS_RELEASE
from oddspipe.core.infra.mirror import BEHIND_MS, METRIC, mirrored
from oddspipe.core.infra.recovery import RTO_S
from oddspipe.core.infra.rules import cases_of
from oddspipe.core.infra.text import head, with_head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.render.templates import rendered

RULES: Final = "platform.rules.yaml"
FULL: Final = 0.85
"""Share of memory or disk beyond which somebody should look."""
BEHIND_S: Final = 300
"""ClickHouse may be behind the odds topic by what is made in so long at the peak."""


def platform_alerts_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the rules with their tests, as an object for the cluster, and their runbooks."""
    source = "platform.yaml"
    alerts = alerts_of_platform(fleet)
    groups = [
        {
            "name": "oddspipe-platform",
            "interval": f"{STEP_S}s",
            "rules": [rule_of(fleet, one) for one in alerts],
        }
    ]
    yield Artefact(f"prometheus/{RULES}", with_head(source, {"groups": groups}), "prometheus")
    tests = {
        "rule_files": [RULES],
        "evaluation_interval": "1m",
        "tests": [case for one in alerts for case in _cases(fleet, one)],
    }
    yield Artefact("prometheus/platform.test.yaml", with_head(source, tests), "prometheus-test")
    rules = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "oddspipe-platform",
            "namespace": MONITORING,
            "labels": {"app.kubernetes.io/part-of": "oddspipe", "release": PROMETHEUS_RELEASE},
        },
        "spec": {"groups": groups},
    }
    yield Artefact("kubernetes/platform-rules.yaml", with_head(source, rules), "kubernetes")
    for alert in alerts:
        values = {
            "head": head(source, mark="[//]: #"),
            "alert": alert,
            "environment": fleet.environment,
            "owner": fleet.owners["platform"],
        }
        text = rendered("infra/platform_runbook.md.j2", values)
        yield Artefact(f"runbooks/platform/{alert.name}.md", text, "runbook")


def rule_of(fleet: Fleet, alert: Alert) -> dict[str, Any]:
    """Return an alert as Prometheus reads it."""
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": {
            "severity": alert.severity,
            "team": fleet.owners["platform"]["team"],
            **({"recovery": "true"} if alert.name in RECOVERY else {}),
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"runbooks/platform/{alert.name}.md",
        },
    }


def _cases(fleet: Fleet, alert: Alert) -> Iterator[dict[str, Any]]:
    task = re.search(r'max by \(task\) \(\w+{task="([\w-]+)"', alert.expr)
    yield from cases_of(alert, rule_of(fleet, alert), {"task": task[1]} if task else None)


def alerts_of_platform(fleet: Fleet) -> list[Alert]:
    """Return the alerts, in the order in which a person should see to them."""
    return [
        *_brokers(fleet),
        *_caches(),
        *_stores(),
        *_jobs(),
        *_recovery(),
        *_mirrors(fleet),
        *_cluster(fleet),
    ]


def _either(words: list[str]) -> str:
    return "|".join(words)


def _brokers(fleet: Fleet) -> Iterator[Alert]:
    topics = _either([topic.name for member in fleet.members for topic in member.topic_list()])
    short = "kafka_topic_partition_under_replicated_partition"
    series = f'{short}{{topic="{fleet.members[0].topics.odds}",partition="0"}}'
    servers = fleet.members[0].brokers
    yield Alert(
        "OddspipeCopiesMissing",
        f'sum by (topic) ({short}{{topic=~"{topics}"}}) > 0',
        "5m", "page",
        "a topic has fewer copies than it should",
        "Copies of partitions of {{ $labels.topic }} are missing.",
        {series: f"1+0{ALWAYS}"}, {series: f"0+0{ALWAYS}"},
        "A broker is away, or cannot follow.",
        "Nothing yet: with one more broker gone, nothing can be written to these partitions.",
        ((f"kafka-topics.sh --bootstrap-server {servers} --command-config client.properties "
         "--describe --under-replicated-partitions"),
         (f"kafka-broker-api-versions.sh --bootstrap-server {servers} "
         "--command-config client.properties | grep id"),
         (f"kafka-log-dirs.sh --bootstrap-server {servers} --command-config client.properties "
         "--describe | tail -1")),
        ("A broker is not listed: it is down; the provider's console says whether it comes back.",
         "A disk is full: raise `volume_gib` of the component kafka."),
    )  # fmt: skip
    stores = [
        (member, sink)
        for member in fleet.members
        for sink in member.plan.published
        if sink.kind == "clickhouse"
    ]
    if not stores:
        return
    at_once = max(member.plan.load.games_at_once for member in fleet.members)
    odds = _Read(
        "odds", "the odds topic",
        [(f"{member.group}.{sink.name}", member.topics.odds) for member, sink in stores],
        at_once * BOARDS_A_GAME * BEHIND_S,
    )  # fmt: skip
    yield _late("OddspipeHistoryBehind", servers, odds)
    apart = [(member, sink) for member, sink in stores if member.plan.apart]
    if apart:
        peak = max(member.plan.load.peak_rate for member, _ in apart)
        groups = [(f"{m.group}.{sink.name}_events", m.topics.normalised) for m, sink in apart]
        events = _Read("events", "the normalised topic", groups, peak * BEHIND_S)
        yield _late("OddspipeEventsBehind", servers, events)


@dataclass(frozen=True, slots=True)
class _Read:
    """What ClickHouse is fed with: groups and their topics, and how far they may be behind."""

    what: str
    topic: str
    groups: list[tuple[str, str]]
    allowed: int


def _late(name: str, servers: str, read: _Read) -> Alert:
    """Return the alert on what writes to ClickHouse."""
    what, allowed = read.what, read.allowed
    groups, (group, topic) = _either([one for one, _ in read.groups]), read.groups[0]
    lag = f'kafka_consumergroup_lag{{consumergroup="{group}",topic="{topic}",partition="0"}}'
    return Alert(
        name,
        f'sum by (consumergroup) (kafka_consumergroup_lag{{consumergroup=~"{groups}"}} > 0) '
        f"> {allowed}",
        "10m", "ticket",
        f"ClickHouse does not follow {read.topic}",
        "{{ $labels.consumergroup }} is behind by more than is made in five minutes.",
        {lag: f"{2 * allowed}+0{ALWAYS}"}, {lag: f"{allowed // 2}+0{ALWAYS}"},
        f"What writes {what} has stopped, or is slower than they are made.",
        f"Analysts see old {what}. Nothing is lost while the topic keeps them.",
        ((f"kafka-consumer-groups.sh --bootstrap-server {servers} "
         f"--command-config client.properties --describe --group {group}"),
         "kubectl get pods -A -l app.kubernetes.io/component=publish",
         "clickhouse-client --query 'SELECT * FROM system.merges FORMAT Vertical'"),
        ("A column is missing: the tables are older than the messages; apply them.",
         "The group has no member: publishers are down; their log says why."),
    )  # fmt: skip


def _caches() -> Iterator[Alert]:
    up, gone = 'redis_up{instance="a"}', 'redis_evicted_keys_total{instance="a"}'
    yield Alert(
        "OddspipeCacheDown",
        "min by (instance) (redis_up) == 0",
        "1m", "page",
        "a node of the cache does not answer",
        "The cache at {{ $labels.instance }} has not answered for a minute.",
        {up: f"0+0{ALWAYS}"}, {up: f"1+0{ALWAYS}"},
        "The server is gone, or refuses the exporter.",
        "Where it is the primary, sites show no odds until its replica has taken over.",
        ('valkey-cli -u "$ODDSPIPE_REDIS" --user odds-exporter --askpass ping',
         'valkey-cli -u "$ODDSPIPE_REDIS" --user odds-exporter --askpass info replication',
         "kubectl get pods -A -l app.kubernetes.io/component=publish"),
        ("`NOAUTH` or `WRONGPASS`: the exporter's password was changed.",
         "No answer: fail over; publishers send the current odds again by themselves."),
    )  # fmt: skip
    yield Alert(
        "OddspipeCacheFull",
        "sum by (instance) (increase(redis_evicted_keys_total[10m])) > 0",
        "0s", "ticket",
        "the cache throws out keys",
        "The cache at {{ $labels.instance }} is full and throws out what expires first.",
        {gone: f"0+5{ALWAYS}"}, {gone: f"7+0{ALWAYS}"},
        "Its memory is full; what is kept of a season is a few megabytes.",
        "Odds of some games are missing for seconds.",
        ('valkey-cli -u "$ODDSPIPE_REDIS" --user odds-exporter --askpass info memory',
         'valkey-cli -u "$ODDSPIPE_REDIS" --user odds-exporter --askpass info keyspace',
         'valkey-cli -u "$ODDSPIPE_REDIS" --user odds-admin --askpass --bigkeys'),
        ("Keys of others lie there: give them a server of their own.",),
    )  # fmt: skip


def _stores() -> Iterator[Alert]:
    used, total = "ClickHouseMetrics_MemoryTracking", "ClickHouseAsyncMetrics_OSMemoryTotal"
    free, size = (f"ClickHouseAsyncMetrics_Disk{one}_default" for one in ("Available", "Total"))
    at = '{instance="a"}'
    yield Alert(
        "OddspipeStoreMemory",
        f"max by (instance) ({used} / {total}) > {FULL}",
        "10m", "ticket",
        "ClickHouse takes most of its machine's memory",
        "ClickHouse at {{ $labels.instance }} takes more than 85 of 100 parts of the memory.",
        {used + at: f"90+0{ALWAYS}", total + at: f"100+0{ALWAYS}"},
        {used + at: f"50+0{ALWAYS}", total + at: f"100+0{ALWAYS}"},
        "Queries or merges take more than the machine has.",
        "Queries end with an error; inserts may be refused next.",
        (("clickhouse-client --query 'SELECT user, query_id, memory_usage FROM system.processes "
         "ORDER BY memory_usage DESC LIMIT 5'"),
         "clickhouse-client --query 'SELECT * FROM system.quotas_usage FORMAT Vertical'",
         "clickhouse-client --query 'SELECT count() FROM system.merges'"),
        ("A query of an analyst: `KILL QUERY WHERE query_id = …`; the profile limits the next.",),
    )  # fmt: skip
    yield Alert(
        "OddspipeStoreDisk",
        f"min by (instance) ({free} / {size}) < {1 - FULL:.2f}",
        "30m", "ticket",
        "ClickHouse's disk fills",
        "Less than 15 of 100 parts of the disk at {{ $labels.instance }} are free.",
        {free + at: f"10+0{ALWAYS}", size + at: f"100+0{ALWAYS}"},
        {free + at: f"40+0{ALWAYS}", size + at: f"100+0{ALWAYS}"},
        "More is kept than was planned for, or backups lie on the same disk.",
        "A full disk stops merges, then inserts.",
        (("clickhouse-client --query 'SELECT table, formatReadableSize(sum(bytes_on_disk)) FROM "
         "system.parts WHERE active GROUP BY table ORDER BY sum(bytes_on_disk) DESC'"),
         "clickhouse-client --query 'SELECT name, free_space FROM system.disks'",
         "clickhouse-client --query 'SELECT * FROM system.mutations WHERE NOT is_done'"),
        ("A table is larger than expected: shorten `keep` of the sport's sink.",),
    )  # fmt: skip


AGES: Final = {
    "backup-more": ("OddspipeBackupOld", 9, "the last backup is old", "page"),
    "export": ("OddspipeArchiveOld", 50, "a day of odds is not in the archive", "ticket"),
    "drill": ("OddspipeDrillOld", 40 * 24, "no backup was restored for long", "ticket"),
    "recovery-drill": (
        "OddspipeRecoveryDrillOld",
        100 * 24,
        "the quarterly drill was not done",
        "ticket",
    ),
}
"""Hours after which a job of ClickHouse should have succeeded again: twice its interval, or so."""


def _jobs() -> Iterator[Alert]:
    metric = "oddspipe_job_success_time_seconds"
    for task, (name, hours, what, severity) in AGES.items():
        series = f'{metric}{{task="{task}"}}'
        limit = hours * 3600
        yield Alert(
            name,
            f"time() - max by (task) ({series}) > {limit} or absent({series})",
            "15m", severity,
            what,
            f"The job {task} has not succeeded for {hours} hours.",
            {series: f"{-limit}+0{ALWAYS}"}, {series: f"3000+0{ALWAYS}"},
            "The job fails, or its timer is not there.",
            "Nothing yet: what is in use is not touched.",
            (f"systemctl status oddspipe-{task}.timer oddspipe-{task}.service",
             f"journalctl -u oddspipe-{task}.service -n 50 --no-pager",
             f"systemctl start oddspipe-{task}.service"),
            _DRILL if task == "recovery-drill" else
            ("`differ` or `other rows`: do not trust the copy; make another and compare again.",
             "`no backup`: start oddspipe-backup-full.service.",
             "Access is denied: see the role of the machine, and `backups.xml`."),
        )  # fmt: skip


_DRILL: Final = ("recovery/drill.md says what is done; its last command records that it was.",)
RECOVERY: Final = frozenset(
    {"OddspipeCopiesMissing", "OddspipeBackupOld", "OddspipeDrillOld", "OddspipeRecoveryDrillOld",
     "OddspipeRecoverySlow", "OddspipeMirrorBehind"}
)  # fmt: skip
"""Alerts that say how well prepared we are for a loss: who leads a recovery is told of them."""


def _recovery() -> Iterator[Alert]:
    """Yield the alert on a drill that took too long."""
    series = 'oddspipe_job_duration_seconds{task="recovery-drill"}'
    yield Alert(
        "OddspipeRecoverySlow",
        f"max by (task) ({series}) > {RTO_S}",
        "0s", "ticket",
        "the last drill took longer than odds may be away",
        f"In the last drill odds were away for {{{{ $value }}}} s; {RTO_S} s are allowed.",
        {series: f"{2 * RTO_S}+0{ALWAYS}"}, {series: f"{RTO_S // 2}+0{ALWAYS}"},
        "A sport that was taken away was not there again in time.",
        "Nothing yet: it would take as long when it is no drill.",
        ("kubectl get events -A --sort-by=.lastTimestamp | tail -40",
         "kubectl -n argocd get applications",
         "kubectl get nodes -L oddspipe.io/sport"),
        ("Nodes came late: raise `infra.idle`, so that some are there; drill again.",
         "Images came late: keep them in a registry of the region; drill again."),
        reads=f"{2 * RTO_S}",
    )  # fmt: skip


def _mirrors(fleet: Fleet) -> Iterator[Alert]:
    """Yield the alert on a mirror that does not follow, where there is one."""
    regions = fleet.members[0].infra.regions
    if not regions:
        return
    topics = _either(mirrored(fleet))
    name = min(regions)
    found = f'{METRIC}{{topic=~"{topics}"}}'
    labels = f'target="{name}",topic="{fleet.members[0].topics.odds}",partition="0"'
    series = f"{METRIC}{{{labels}}}"
    yield Alert(
        "OddspipeMirrorBehind",
        f"max by (target, topic) ({found}) > {BEHIND_MS}",
        "5m", "ticket",
        "another region does not follow",
        f"{{{{ $labels.topic }}}} is brought to {{{{ $labels.target }}}} after {{{{ $value }}}} "
        f"ms; {BEHIND_MS} ms are allowed.",
        {series: f"{3 * BEHIND_MS}+0{ALWAYS}"}, {series: f"{BEHIND_MS // 20}+0{ALWAYS}"},
        "MirrorMaker is slow, or the way between the regions is narrow.",
        "Nothing while this region stands. Lost with it would be what is not yet there.",
        (f"systemctl status oddspipe-mirror-{name}.service",
         f"journalctl -u oddspipe-mirror-{name}.service -n 50 --no-pager",
         (f"kafka-topics.sh --bootstrap-server {regions[name].brokers} "
          "--command-config standby.properties --describe --under-replicated-partitions")),
        ("It takes a whole core: raise `tasks.max` by a second machine with the same settings.",
         "It cannot log in: see its passwords.properties, and `kafka/mirror/access.sh`."),
        reads=f"{3 * BEHIND_MS}",
    )  # fmt: skip


def _cluster(fleet: Fleet) -> Iterator[Alert]:
    spaces = _either([member.namespace for member in fleet.members])
    ours = f'namespace=~"{spaces}"'
    wanted, ready = "kube_statefulset_replicas", "kube_statefulset_status_replicas_ready"
    first = fleet.members[0]
    space, name = f'namespace="{first.namespace}"', f"{first.release}-price"
    one = f'{{{space},statefulset="{name}"}}'
    yield Alert(
        "OddspipePodsMissing",
        f"max by (namespace, statefulset) ({wanted}{{{ours}}} - {ready}{{{ours}}}) > 0",
        "15m", "ticket",
        "pods that should be there are not ready",
        "{{ $labels.statefulset }} in {{ $labels.namespace }} has fewer ready pods than wanted.",
        {wanted + one: f"4+0{ALWAYS}", ready + one: f"3+0{ALWAYS}"},
        {wanted + one: f"4+0{ALWAYS}", ready + one: f"4+0{ALWAYS}"},
        "No node takes them, an image cannot be fetched, or they do not come up.",
        "The others carry their partitions.",
        ("kubectl get pods -A -l app.kubernetes.io/part-of=oddspipe -o wide",
         "kubectl get events -A --sort-by=.lastTimestamp | tail -20",
         "kubectl get nodes -L oddspipe.io/sport"),
        ("Pending: the limit of the node group is reached; see `infra.machines`.",),
    )  # fmt: skip
    errors = "keda_scaler_detail_errors_total"
    series = f'{errors}{{{space},scaledObject="{name}",scaler="kafka"}}'
    yield Alert(
        "OddspipeScalerFails",
        f"sum by (namespace, scaledObject) (increase({errors}{{{ours}}}[10m])) > 3",
        "5m", "ticket",
        "KEDA cannot ask a trigger",
        "Triggers of {{ $labels.scaledObject }} in {{ $labels.namespace }} fail.",
        {series: f"0+1{ALWAYS}"}, {series: f"2+0{ALWAYS}"},
        "KEDA cannot reach the brokers or log in; windows of games still hold.",
        "Pods do not follow a lag; their number stays as it is.",
        ("kubectl -n keda logs deploy/keda-operator --tail=50",
         "kubectl get scaledobject -A",
         "kubectl describe scaledobject -A | grep -A3 Message"),
        ("A login is refused: see the secret.",),
    )  # fmt: skip
    again = "kube_pod_container_status_restarts_total"
    pod = f'{again}{{{space},pod="{name}-0",container="price"}}'
    yield Alert(
        "OddspipePodRestarts",
        f"sum by (namespace, pod) (increase({again}{{{ours}}}[30m])) > 3",
        "0s", "ticket",
        "a pod is started again and again",
        "The pod {{ $labels.pod }} of {{ $labels.namespace }} was started again more than thrice.",
        {pod: f"0+1{ALWAYS}"}, {pod: f"9+0{ALWAYS}"},
        "The process ends, or its probe finds it hanging.",
        "Its partitions pause for seconds each time.",
        ("kubectl get pods -A -l app.kubernetes.io/part-of=oddspipe",
         f"kubectl -n {first.namespace} logs {name}-0 --previous --tail=50",
         f"kubectl -n {first.namespace} describe pod {name}-0 | tail -20"),
        ("`OOMKilled`: see the runbook OddspipeMemory of the sport.",
         "Exit code 2 or 3: the spec or the deployment is wrong; roll back."),
    )  # fmt: skip

"""When something is lost: the plan by store, the quarterly drill, and a page for a day of games."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from oddspipe.core.infra.alerts import alerts_of, cli_of, read_of
from oddspipe.core.infra.clickhouse import DATABASE
from oddspipe.core.infra.fleet import DAY_US, Fleet, Member
from oddspipe.core.infra.remedies import HELD
from oddspipe.core.infra.store_jobs import DISK
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.infra.windows import margins
from oddspipe.core.render.templates import rendered
from oddspipe.core.telemetry.catalogue import PORT

RTO_S: Final = 900
"""Within so long odds flow again."""
RPO_S: Final = 300
"""Of what was received once only, not more than so long is lost."""
NOTICE_MIN: Final = 5
"""Partners are told of what lasts longer."""
BACKUP_H: Final = 4
"""Between two backups of ClickHouse; `store_jobs` has their times."""


@dataclass(frozen=True, slots=True)
class Store:
    """Something that keeps things.

    Attributes:
        lost, back: At most, and within.
    """

    name: str
    holds: str
    copies: str
    lost: str
    back: str
    how: str


@dataclass(frozen=True, slots=True)
class Case:
    """Something that can happen.

    Attributes:
        itself: What the platform does about it.
        commands: What a person does.
    """

    name: str
    itself: str
    lost: str
    told: str
    commands: tuple[str, ...] = ()


def recovery_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the plan, the drill, and a page a sport."""
    first = fleet.members[0]
    days = min(member.infra.odds_kept for member in fleet.members) // DAY_US
    values = {
        "head": head("sports/*.yaml, platform.yaml", mark="[//]: #"),
        "environment": fleet.environment,
        "fleet": fleet,
        "first": first,
        "owner": fleet.owners["platform"],
        "stores": stores_of(fleet),
        "cases": cases_of(fleet),
        "cloud": bool(first.values.get("region")),
        "rto_s": RTO_S,
        "rto_min": RTO_S // 60,
        "rpo_min": RPO_S // 60,
        "notice_min": NOTICE_MIN,
        "odds_days": days,
        "cli_verify": cli_of(first, "verify"),
    }
    for name in ("plan", "drill"):
        text = rendered(f"infra/recovery_{name}.md.j2", values)
        yield Artefact(f"recovery/{name}.md", text, "runbook")
    for member in fleet.members:
        text = rendered("infra/sport_runbook.md.j2", _day_of_games(fleet, member))
        yield Artefact(f"runbooks/{member.sport}.md", text, "runbook", member.sport)


def _day_of_games(fleet: Fleet, member: Member) -> dict[str, Any]:
    wanted = [member.wanted(one.games) for one in member.windows()]
    return {
        "head": head(f"sports/{member.sport}.yaml", mark="[//]: #"),
        "environment": fleet.environment,
        "fleet": fleet,
        "member": member,
        "plan": member.plan,
        "load": member.worker(),
        "alerts": alerts_of(member),
        "takers": takers_of(fleet, member),
        "wanted_least": min(wanted),
        "wanted_most": max(wanted),
        "ahead": margins(member.plan.schedule, member.infra.node_boot)[0],
        "held": HELD,
        "port": PORT,
        "stale_s": member.plan.odds.stale_after_us // 1_000_000,
        "read_feed": read_of(member, member.topics.feed),
        "read_odds": read_of(member, member.topics.odds),
        "cli_verify": cli_of(member, "verify"),
        "cli_letters": cli_of(member, "dlq list"),
    }


def takers_of(fleet: Fleet, member: Member) -> list[str]:
    """Return the partners that take a sport, by name."""
    return sorted(n for n, one in fleet.partners.items() if member.sport in one["sports"])


def stores_of(fleet: Fleet) -> list[Store]:
    """Return what keeps things, in the order in which it is needed."""
    first = fleet.members[0]
    copies = first.replication
    kept = min(m.plan.feed.retention_us for m in fleet.members) // 3_600_000_000
    days = min(m.infra.odds_kept for m in fleet.members) // DAY_US
    snap = max(m.plan.snapshot_interval_us for m in fleet.members) / 1e6
    broker = (
        f"{copies} in as many zones, {max(copies - 1, 1)} have what is acknowledged"
        if copies > 1
        else "1"
    )
    region = ", ".join(sorted(first.infra.regions)) or "none elsewhere"
    made = [
        Store(
            "topics", f"feeds ({kept} h at least), odds ({days} days), dead letters, snapshots",
            f"{broker}; region: {region}",
            "nothing with a broker less" if copies > 1 else "all with the broker",
            "seconds; with all brokers gone as long as it takes to make them",
            "another broker leads; else made anew, and the provider is asked to send again",
        ),
        Store(
            "workers' state", "duplicate windows, held events, folds, odds sequences",
            f"a snapshot every {snap:g} s, in the same transaction as the odds", "nothing",
            "seconds", "snapshot, then the feed from there on, without publishing again",
        ),
        Store(
            "cache", "current odds, for seconds", "replicas, where there are", "nothing",
            "minutes", "publishers write on; empty: the job rebuild-cache",
        ),
        Store(
            "ClickHouse", "history of odds, for analysts", f"a backup every {BACKUP_H} h, a day as "
            "Parquet", f"{BACKUP_H} h of history, which the odds topics have for {days} days",
            "hours", "made anew, restored; the drill does it every month",
        ),
        Store(
            "buckets", "backups, archive, audit", "the provider's; versions, audit locked",
            "nothing", "at once", "an older version of an object",
        ),
        Store(
            "Git", "all that is rendered, and what it is rendered from", "every clone", "nothing",
            "at once", "Argo CD and Terraform apply it",
        ),
    ]  # fmt: skip
    if any(member.is_live for member in fleet.members):
        made.insert(1, Store(
            "spools", "what was received and is not yet on a topic", "1, on a disk that outlives "
            "the pod", "with the disk: what it held and the provider does not send again",
            "minutes", "the pod takes the disk along in its zone; else it begins anew",
        ))  # fmt: skip
    return made


def cases_of(fleet: Fleet) -> list[Case]:
    """Return what can happen, the smaller first."""
    first = fleet.members[0]
    owner = fleet.owners["platform"]
    spaces = [member.namespace for member in fleet.members]
    client = f"--bootstrap-server {first.brokers} --command-config client.properties"
    restore = f"RESTORE DATABASE {DATABASE} FROM Disk('{DISK}', '$last')"
    nobody = "Nobody outside."
    return [
        Case(
            "A worker, or its node",
            "Its slot is taken by a new pod; a pod on a node that does not answer is freed after "
            "two minutes by the job free-slots.",
            "Nothing.", nobody,
            tuple(f"kubectl -n {one} get pods -o wide" for one in spaces),
        ),
        Case(
            "A zone",
            "Brokers of the other zones lead, workers start there; a spool's disk is of one zone, "
            "and its ingest waits for it.",
            "Nothing, save what a spool held and its provider does not send again.",
            "Partners, where odds are late for longer than "
            f"{NOTICE_MIN} min (by the sports' alerts).",
            (f"kafka-topics.sh {client} --describe --under-replicated-partitions",
             "kubectl get nodes -L topology.kubernetes.io/zone",
             "kubectl get pvc -A -l app.kubernetes.io/part-of=oddspipe"),
        ),
        Case(
            "The cache",
            "Publishers try on; markets that cannot be refreshed run out after seconds.",
            "Nothing: the odds topics have all of it.", "Partners who read the cache.",
            tuple(
                f"kubectl -n {one.namespace} create job --from=cronjob/{one.release}-rebuild-cache "
                f'"{one.release}-rebuild-$(date +%s)"'
                for one in fleet.members if one.caches()
            ),
        ),
        Case(
            "ClickHouse",
            "Publishers wait, and go on in order once it is back.",
            f"History since the last backup ({BACKUP_H} h at most). What the topics still have can "
            "be read again by hand; no job does it.",
            f"Analysts, by {owner['contact']}.",
            ("last=$(cat /var/lib/oddspipe-jobs/last)",
             f'clickhouse-client --query "{restore}"',
             "clickhouse-client --multiquery < clickhouse/access.sql"),
        ),
        Case(
            "The cluster",
            "Nothing: no pod runs. Topics keep what comes.",
            "Nothing, if it is back before the feeds' topics forget.",
            "All partners, at once.",
            ("kubectl apply --server-side -f kubernetes/base.yaml",
             "kubectl apply -f argocd/project.yaml -f argocd/applicationset.yaml",
             "kubectl get pods -A -l app.kubernetes.io/part-of=oddspipe"),
        ),
        _region(fleet),
    ]  # fmt: skip


def _region(fleet: Fleet) -> Case:
    regions = fleet.members[0].infra.regions
    if not regions:
        return Case(
            "The region",
            "Nothing: no other is declared (`infra.regions`).",
            "What was not yet in a bucket of another region: topics, snapshots, ClickHouse since "
            "its last backup. Games in play are not priced until the region, or another, is there.",
            "All partners, at once: markets are suspended.",
        )
    name, place = min(regions.items())
    client = f"--bootstrap-server {place.brokers} --command-config standby.properties"
    groups = " ".join(f"--group {one.group}" for one in fleet.members)
    return Case(
        "The region",
        f"MirrorMaker has brought the topics to `{name}` ({place.region}) until then, with the "
        "positions of partners' groups. Partners read on there; nothing is priced until workers "
        "run there.",
        "What was acknowledged at home and not yet mirrored: seconds, `OddspipeMirrorBehind` says "
        "how many. A game's sequence has a gap then; the snapshot topic says what stands.",
        "All partners, at once, with the brokers of the other region.",
        (f"kafka-topics.sh {client} --list",
         f"kafka-consumer-groups.sh {client} --describe {groups}",
         f"ODDSPIPE_KAFKA={place.brokers} oddspipe render-infra --env {fleet.environment}"),
    )  # fmt: skip

"""The Helm chart: static templates, and the values of each sport with their schema."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.fleet import SESSION_S, WORKS, Fleet, Member, Workload
from oddspipe.core.infra.remedies import remedies_of
from oddspipe.core.infra.rules import groups_of
from oddspipe.core.infra.text import as_json, head, packaged, with_head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.infra.windows import Window
from oddspipe.core.names import Stage
from oddspipe.core.telemetry.catalogue import GAME_LOAD, PORT

CHART: Final = "helm/oddspipe"
SPEC_FOLDER: Final = "/etc/oddspipe/sports"
PLATFORM_FILE: Final = "/etc/oddspipe/platform.yaml"
STORE: Final = "oddspipe"
MONITORING: Final = "monitoring"
PROMETHEUS_RELEASE: Final = "kube-prometheus-stack"
PROMETHEUS: Final = f"http://prometheus-operated.{MONITORING}.svc:9090"
"""The service that the operator makes for every Prometheus of a namespace."""
PRIORITY: Final = "oddspipe-live"


def chart_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the chart, and the values of every sport."""
    for path, text in packaged("helm", "oddspipe"):
        yield Artefact(f"{CHART}/{path}", _headed(path, text), "helm")
    yield Artefact(f"{CHART}/values.schema.json", as_json(_SCHEMA), "helm")
    for member in fleet.members:
        text = with_head(f"sports/{member.sport}.yaml", values_of(fleet, member))
        yield Artefact(f"helm/values-{member.sport}.yaml", text, "helm-values", member.sport)


def values_of(fleet: Fleet, member: Member) -> dict[str, Any]:
    """Return the values of one sport; the image is an input that the deployment gives."""
    return {
        "sport": member.sport,
        "environment": fleet.environment,
        "team": member.plan.owner.team,
        "digests": {
            "logic": member.plan.logic_digest,
            "deployment": member.plan.deployment_digest,
        },
        "image": {"repository": "", "digest": ""},
        "port": PORT,
        "network": member.infra.network,
        "egressPorts": _ports(member),
        "monitoringNamespace": MONITORING,
        "prometheusRelease": PROMETHEUS_RELEASE,
        "priorityClass": PRIORITY,
        "secretStore": STORE,
        "variables": {one.name: one.value for one in fleet.inputs if not one.is_default},
        "secrets": _secrets(member),
        "scalerLogin": _login(member),
        "workers": {one.stage: _worker(fleet, member, one) for one in member.workloads()},
        "remedies": remedies_of(fleet, member, f"{SPEC_FOLDER}/{member.sport}.yaml", PLATFORM_FILE),
        "files": _files(fleet, member),
        "rules": groups_of(member),
    }


def _worker(fleet: Fleet, member: Member, load: Workload) -> dict[str, Any]:
    args = [
        "run", "--spec", f"{SPEC_FOLDER}/{member.sport}.yaml", "--platform", PLATFORM_FILE,
        "--env", fleet.environment, "--stage", load.stage, "--listen", f"0.0.0.0:{PORT}",
        "--no-live",
    ]  # fmt: skip
    if load.stage in WORKS:
        args += ["--slot", "$(SLOT)"]
    made = {
        "least": load.least,
        "idle": load.idle,
        "rest": load.rest,
        "most": load.most,
        "scaled": load.scaled,
        "cpu": f"{int(load.cores * 1000)}m",
        "memory": f"{load.memory_bytes >> 20}Mi",
        "graceSeconds": SESSION_S + 15,
        "storage": f"{-(-load.storage_bytes // (1 << 30))}Gi" if load.storage_bytes else "",
        "storageClass": member.infra.storage_class if load.storage_bytes else "",
        "args": args,
    }
    return {**made, "triggers": triggers_of(member, load) if load.scaled else []}


def triggers_of(member: Member, load: Workload) -> list[dict[str, Any]]:
    """Return what a component is scaled by: windows of games as a floor, then states and lag.

    The windows' workers carry their games with all phases at once, as nothing should be moved in
    a red zone. The states of the games add workers where more is on than the schedule says.

    KEDA takes the largest; all metadata are text, as it wants them.
    """
    stage = Stage(load.stage)
    group, topic = member.reads(stage)
    crons = [
        _cron(member, f"games-{number}", one, member.wanted(one.games, stage))
        for number, one in enumerate(member.windows(), 1)
    ]
    season = member.season_window()
    if load.rest < load.idle and season.begins != season.ends:
        crons.insert(0, _cron(member, "season", season, load.idle))
    lag = max(member.plan.load.peak_rate * member.plan.alerts["lag"] // 2_000_000 // load.least, 1)
    kafka: dict[str, Any] = {
        "type": "kafka",
        "name": "lag",
        "metadata": {
            "bootstrapServers": member.brokers,
            "consumerGroup": group,
            "topic": topic,
            # Half of what the alert allows, shared by the workers that are there.
            "lagThreshold": str(lag),
            "offsetResetPolicy": "earliest",
            "version": "3.6.0",
        },
    }
    if _login(member):
        kafka["metadata"] |= {"sasl": _mechanism(member), "tls": "enable"}
        kafka["authenticationRef"] = {"name": f"{member.release}-kafka"}
    states = {
        "type": "prometheus",
        "name": "states-of-games",
        "metadata": {
            "serverAddress": PROMETHEUS,
            "query": f'sum({GAME_LOAD.name}{{sport="{member.sport}"}})',
            "threshold": f"{member.games_a_worker(stage):g}",
            # Nothing is scraped yet: the other triggers decide.
            "ignoreNullValues": "true",
        },
    }
    return [*crons, states, kafka]


def _cron(member: Member, name: str, window: Window, workers: int) -> dict[str, Any]:
    return {
        "type": "cron",
        "name": name,
        "metadata": {
            "timezone": member.plan.schedule.zone,
            "start": window.begins,
            "end": window.ends,
            "desiredReplicas": str(workers),
        },
    }


def _mechanism(member: Member) -> str:
    known = {
        "PLAIN": "plaintext",
        "SCRAM-SHA-256": "scram_sha256",
        "SCRAM-SHA-512": "scram_sha512",
    }
    mechanism = str(member.security.get("mechanism"))
    if mechanism not in known:
        raise UsageError(
            f"{member.sport}: the scaler's login by {mechanism} is not rendered",
            hint=f"Those that are: {', '.join(known)}.",
        )
    return known[mechanism]


def _login(member: Member) -> dict[str, str]:
    """Return the secret that KEDA logs in to the brokers with; empty where they ask for none."""
    if not member.security.get("password"):
        return {}
    path = next(one.path for one in member.secrets() if one.path.startswith("kafka"))
    return {"secret": _secret_name(path)}


def _secrets(member: Member) -> list[dict[str, Any]]:
    """Return secrets by path; that of the brokers holds the name too, for KEDA."""
    by_path: dict[str, list[str]] = {}
    for one in member.secrets():
        by_path.setdefault(one.path, []).append(one.key)
    return [
        {
            "name": _secret_name(path),
            "path": path,
            "keys": sorted({*keys, "username"} if path.startswith("kafka") else keys),
        }
        for path, keys in by_path.items()
    ]


def _secret_name(path: str) -> str:
    return path.replace("/", "-").replace("_", "-").lower()


def _ports(member: Member) -> list[int]:
    """Return the ports that pods reach inside the network: brokers, cache and ClickHouse."""
    found = set()
    for host in member.brokers.split(","):
        found.add(_port(host, 9092))
    url = str(member.cache.get("url") or "")
    if url and member.plan.published:
        found.add(_port(url.partition("://")[2].partition("/")[0], 6379))
    store = urlsplit(str(member.store.get("url") or ""))
    if store.hostname:
        found.add(store.port or (443 if store.scheme == "https" else 80))
    return sorted(found)


def _port(host: str, default: int) -> int:
    port = host.rpartition(":")[2]
    return int(port) if port.isdecimal() else default


def _files(fleet: Fleet, member: Member) -> list[dict[str, str]]:
    named = {f"sports/{path}": text for path, text in member.files.items()}
    named["platform.yaml"] = fleet.platform
    return [
        {"key": path.replace("/", "."), "path": path, "text": text}
        for path, text in sorted(named.items())
    ]


def _headed(path: str, text: str) -> str:
    return head("templates/infra/helm") + text if path.endswith("Chart.yaml") else text


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(set(properties) - {"global"}),
        "additionalProperties": False,
        **more,
    }


_TEXT: Final = {"type": "string", "minLength": 1}
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_COUNT: Final = {"type": "integer", "minimum": 1}
_WORKER: Final = _object(
    {
        "least": _COUNT,
        "idle": _COUNT,
        "rest": {"type": "integer", "minimum": 0},
        "most": _COUNT,
        "scaled": {"type": "boolean"},
        "cpu": {"type": "string", "pattern": "^[0-9]+m$"},
        "memory": {"type": "string", "pattern": "^[0-9]+Mi$"},
        "graceSeconds": {"type": "integer", "minimum": 30},
        "storage": {"type": "string", "pattern": "^([0-9]+Gi)?$"},
        "storageClass": {"type": "string"},
        "args": {"type": "array", "items": _TEXT, "minItems": 1},
        "triggers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": ["cron", "kafka", "prometheus"]},
                    "name": _TEXT,
                    "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                    "authenticationRef": _object({"name": _TEXT}),
                },
                "required": ["type", "name", "metadata"],
                "additionalProperties": False,
            },
        },
    }
)
_REMEDY: Final = _object(
    {
        "schedule": {"type": "string", "pattern": "^[0-9*/,-]+( [0-9*/,-]+){4}$"},
        "suspend": {"type": "boolean"},
        "scales": {"type": "string", "pattern": "^([a-z0-9][a-z0-9-]*)?$"},
        "args": {
            "type": "array", "items": _TEXT, "minItems": 2, "contains": {"const": "remedy"},
        },
    }
)  # fmt: skip
_SCHEMA: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **_object(
        {
            "sport": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
            "environment": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
            "team": _TEXT,
            "digests": _object(
                {"logic": _DIGEST, "deployment": _DIGEST}
            ),
            "image": _object(
                {
                    "repository": {"type": "string", "pattern": "^[a-z0-9][a-z0-9./:_-]*$"},
                    "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
                }
            ),
            "port": {"type": "integer", "minimum": 1024, "maximum": 65535},
            "network": {"type": "string", "pattern": "^[0-9.]+/[0-9]{1,2}$"},
            "egressPorts": {
                "type": "array", "minItems": 1, "uniqueItems": True,
                "items": {"type": "integer", "minimum": 1, "maximum": 65535},
            },
            "monitoringNamespace": _TEXT,
            "prometheusRelease": _TEXT,
            "priorityClass": _TEXT,
            "secretStore": _TEXT,
            "variables": {"type": "object", "additionalProperties": {"type": "string"}},
            "secrets": {
                "type": "array",
                "items": _object(
                    {
                        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
                        "path": _TEXT,
                        "keys": {"type": "array", "items": _TEXT, "minItems": 1},
                    }
                ),
            },
            "scalerLogin": {
                "type": "object",
                "properties": {"secret": _TEXT},
                "additionalProperties": False,
            },
            "workers": {
                "type": "object",
                "properties": dict.fromkeys(("ingest", *map(str, WORKS), "publish"), _WORKER),
                "required": ["price"],
                "additionalProperties": False,
            },
            "remedies": {
                "type": "object",
                "properties": dict.fromkeys(("free-slots", "rebuild-cache"), _REMEDY),
                "required": ["free-slots"],
                "additionalProperties": False,
            },
            "files": {
                "type": "array", "minItems": 2,
                "items": _object({"key": _TEXT, "path": _TEXT, "text": _TEXT}),
            },
            "rules": {"type": "array", "items": {"type": "object"}, "minItems": 1},
            "global": {"type": "object"},
        }
    ),
}  # fmt: skip

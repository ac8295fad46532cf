"""MirrorMaker 2: topics in another region, for partners to read on and for workers to begin anew.

Topics keep their names and partitions, so that a game stays in order; only committed records are
taken, and each once, as MirrorMaker writes them in transactions together with its own position.
"""

from collections.abc import Iterator
from typing import Final

from oddspipe.core.adapters.kafka.topics import corrections_topic
from oddspipe.core.infra.fleet import Fleet
from oddspipe.core.infra.kafka import CLIENT, shell
from oddspipe.core.infra.text import as_yaml, head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.spec.platform import RegionSpec

HOME: Final = "home"
"""What MirrorMaker calls the cluster that workers write to."""
USER: Final = "oddspipe-mirror"
SECRETS: Final = "/etc/oddspipe/mirror/passwords.properties"
FOLDER: Final = "kafka/mirror"
BEHIND_MS: Final = 10_000
"""Records should be in the other region within so long."""
METRIC: Final = "kafka_mirror_replication_latency_ms_max"


def mirror_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the settings of a mirror a region, its access, unit and metrics."""
    regions = fleet.members[0].infra.regions
    source = "platform.yaml"
    for name, region in sorted(regions.items()):
        text = head(source) + properties_of(fleet, name, region)
        yield Artefact(f"{FOLDER}/{name}.properties", text, "kafka")
        unit = head(source) + _unit(name, region)
        yield Artefact(f"{FOLDER}/oddspipe-mirror-{name}.service", unit, "systemd")
    if regions:
        yield Artefact(f"{FOLDER}/jmx.yaml", head(source) + as_yaml(_METRICS), "kafka")
        yield Artefact(f"{FOLDER}/access.sh", _access(fleet), "kafka", runs=True)


def mirrored(fleet: Fleet) -> list[str]:
    """Return the topics that are mirrored: odds for partners, feeds to begin anew from.

    Snapshots stay: they hold positions in topics of the cluster that they are of.
    """
    return [
        name
        for member in fleet.members
        for name in (
            member.topics.odds,
            corrections_topic(member.topics),
            member.topics.feed,
        )
    ]  # fmt: skip


def properties_of(fleet: Fleet, name: str, region: RegionSpec) -> str:
    """Return the settings of the mirror to a region."""
    first = fleet.members[0]
    way, copies = f"{HOME}->{name}", first.replication
    words: dict[str, object] = {
        "clusters": f"{HOME}, {name}",
        f"{HOME}.bootstrap.servers": first.brokers,
        f"{name}.bootstrap.servers": region.brokers,
        **_security(fleet, HOME),
        **_security(fleet, name),
        f"{way}.enabled": "true",
        f"{name}->{HOME}.enabled": "false",
        # Names stay, so that partners change an address and nothing else.
        "replication.policy.class": "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
        f"{way}.topics": ",".join(_plain(one) for one in mirrored(fleet)),
        f"{way}.groups": ",".join(rf"{_plain(one)}\\..*" for one in sorted(fleet.partners)),
        f"{way}.sync.group.offsets.enabled": "true" if fleet.partners else "false",
        f"{way}.sync.group.offsets.interval.seconds": 10,
        f"{way}.emit.checkpoints.interval.seconds": 10,
        f"{way}.refresh.topics.interval.seconds": 60,
        f"{way}.refresh.groups.interval.seconds": 60,
        f"{way}.sync.topic.configs.enabled": "true",
        # Access is given by programs on both sides, never copied.
        f"{way}.sync.topic.acls.enabled": "false",
        f"{way}.emit.heartbeats.enabled": "false",
        f"{way}.tasks.max": 4,
        # What was aborted at home is not there, and what is killed here comes once.
        f"{HOME}.consumer.isolation.level": "read_committed",
        f"{name}.consumer.isolation.level": "read_committed",
        f"{name}.exactly.once.source.support": "enabled",
        "dedicated.mode.enable.internal.rest": "true",
        "listeners": "http://127.0.0.1:8083",
        "config.providers": "file",
        "config.providers.file.class":
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        f"{way}.replication.factor": copies,
        f"{way}.offset-syncs.topic.replication.factor": copies,
        f"{way}.checkpoints.topic.replication.factor": copies,
        f"{way}.heartbeats.topic.replication.factor": copies,
        f"{name}.offset.storage.replication.factor": copies,
        f"{name}.config.storage.replication.factor": copies,
        f"{name}.status.storage.replication.factor": copies,
    }  # fmt: skip
    return "".join(f"{key} = {value}\n" for key, value in words.items())


def _plain(name: str) -> str:
    r"""Return a pattern that is this name and no other, as a properties file has it.

    >>> _plain("nfl.odds.v1")
    'nfl\\\\.odds\\\\.v1'
    """
    return name.replace(".", r"\\.")


def _security(fleet: Fleet, cluster: str) -> dict[str, object]:
    """Return how the mirror logs in; the other region asks for the same as home."""
    given = fleet.members[0].security
    if not given.get("password"):
        return {}
    mechanism = str(given["mechanism"])
    module = "plain.Plain" if mechanism == "PLAIN" else "scram.Scram"
    password = f"${{file:{SECRETS}:{cluster}}}"
    return {
        f"{cluster}.security.protocol": str(given["protocol"]).upper(),
        f"{cluster}.sasl.mechanism": mechanism,
        f"{cluster}.sasl.jaas.config": f"org.apache.kafka.common.security.{module}LoginModule "
        f'required username="{USER}" password="{password}";',
    }


def _unit(name: str, region: RegionSpec) -> str:
    return (
        f"# On a machine in {region.region}: a mirror reads from afar and writes nearby.\n"
        f"[Unit]\nDescription=Mirror the odds to {name}\nWants=network-online.target\n"
        "After=network-online.target\n\n"
        "[Service]\nUser=kafka\nEnvironment=KAFKA_OPTS=-javaagent:/opt/jmx_prometheus_javaagent.jar"
        "=9404:/etc/oddspipe/mirror/jmx.yaml\n"
        "ExecStart=/opt/kafka/bin/connect-mirror-maker.sh "
        f"/etc/oddspipe/mirror/{name}.properties --clusters {name}\n"
        "Restart=always\nRestartSec=5\nNoNewPrivileges=yes\nProtectSystem=strict\n"
        "ProtectHome=yes\nPrivateTmp=yes\n\n[Install]\nWantedBy=multi-user.target\n"
    )


_METRICS: Final = {
    "lowercaseOutputName": True,
    "rules": [
        {
            "pattern": "kafka.connect.mirror<type=MirrorSourceConnector, target=(.+), topic=(.+), "
            "partition=([0-9]+)><>replication-latency-ms-max",
            "name": METRIC,
            "type": "GAUGE",
            "labels": {"target": "$1", "topic": "$2", "partition": "$3"},
        }
    ],
}


def _access(fleet: Fleet) -> str:
    """Return what lets the mirror read at home and write in the other region."""
    allow = f"kafka-acls.sh {CLIENT} --add --allow-principal User:{USER}"
    home = [
        f"{allow} --operation Read --operation Describe --operation DescribeConfigs --topic {one}"
        for one in mirrored(fleet)
    ]
    home += [
        f"{allow} --operation Describe --resource-pattern-type prefixed --group {one}."
        for one in sorted(fleet.partners)
    ]
    home.append(f"{allow} --operation Create --operation Write --operation Read --operation "
                "Describe --operation DescribeConfigs --resource-pattern-type prefixed "
                "--topic mm2-offset-syncs.")  # fmt: skip
    there = [
        f"{allow} --operation Create --operation Write --operation Read --operation Describe "
        f"--operation DescribeConfigs --operation AlterConfigs --topic {one}"
        for one in mirrored(fleet)
    ]
    there += [
        f"{allow} --operation Create --operation Write --operation Read --operation Describe "
        f"--operation DescribeConfigs --resource-pattern-type prefixed --topic {one}"
        for one in ("mm2-", f"{HOME}.checkpoints.")
    ]
    there += [
        f"{allow} --operation Read --operation Describe --resource-pattern-type prefixed "
        f"--group {one}"
        for one in (*(f"{one}." for one in sorted(fleet.partners)), f"{HOME}-mm2")
    ]
    there.append(f"{allow} --operation Write --operation Describe --resource-pattern-type prefixed "
                 f"--transactional-id {HOME}-mm2")  # fmt: skip
    there.append(f"{allow} --operation IdempotentWrite --operation DescribeConfigs --cluster")
    lines = [
        shell("platform.yaml", "Let the mirror read at home (access.sh home), or write there."),
        "case ${1:?home or there} in\n  home)\n",
        *(f"    {one}\n" for one in home),
        "    ;;\n  there)\n",
        *(f"    {one}\n" for one in there),
        '    ;;\n  *) echo "home or there, not $1" >&2; exit 2 ;;\nesac\n',
    ]
    return "".join(lines)

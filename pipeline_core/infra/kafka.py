"""Topics, access lists and quotas: what a cluster must hold before anything runs."""

from collections.abc import Iterator
from typing import Any, Final

from oddspipe.core.infra.fleet import BOARD_BYTES, Fleet, Member, Topic
from oddspipe.core.infra.text import as_yaml, head
from oddspipe.core.infra.tree import Artefact

USER: Final = "oddspipe"
"""Principal of our own processes unless the environment names another."""
CLIENT: Final = '--bootstrap-server "$BROKERS" --command-config "$CLIENT"'


def kafka_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the topics of every sport, and the programs that make them and grant access."""
    for member in fleet.members:
        source = f"sports/{member.sport}.yaml"
        topics = {"topics": [_as_data(one) for one in member.topic_list()]}
        text = head(source) + as_yaml(topics)
        yield Artefact(f"kafka/{member.sport}/topics.yaml", text, "kafka", member.sport)
        yield Artefact(
            f"kafka/{member.sport}/apply.sh", _program(member, source), "kafka", member.sport,
            runs=True,
        )  # fmt: skip
    yield Artefact("kafka/partners.sh", _partners(fleet), "kafka", runs=True)


def _as_data(topic: Topic) -> dict[str, Any]:
    return {
        "name": topic.name,
        "partitions": topic.partitions,
        "replication": topic.replication,
        "writer": topic.writer,
        "meaning": topic.meaning,
        "configs": dict(sorted(topic.configs.items())),
    }


def shell(source: str, what: str) -> str:
    """Return the head of a program for an administrator of the brokers."""
    return (
        "#!/bin/sh\n" + head(source) + f"# {what}\n"
        "# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.\n"
        "set -eu\n"
        ': "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"\n\n'
    )


def _program(member: Member, source: str) -> str:
    lines = [shell(source, f"Make the topics of {member.sport}, and let our processes use them.")]
    lines.append("# Topics that are there are left alone; their settings are brought in line.\n")
    for topic in member.topic_list():
        lines.append(
            f"kafka-topics.sh {CLIENT} --create --if-not-exists --topic {topic.name} "
            f"--partitions {topic.partitions} --replication-factor {topic.replication}\n"
        )
        configs = ",".join(f"{name}={value}" for name, value in sorted(topic.configs.items()))
        lines.append(
            f"kafka-configs.sh {CLIENT} --alter --entity-type topics --entity-name {topic.name} "
            f"--add-config {configs}\n"
        )
    lines.append("\n# Access: reading the feed, writing what is made of it, in transactions.\n")
    lines += [
        f"kafka-acls.sh {CLIENT} --add --allow-principal User:{user_of(member)} {words}\n"
        for words in acls_of(member)
    ]
    return "".join(lines)


def user_of(member: Member) -> str:
    """Return the principal of a sport's processes."""
    return str(member.security.get("username") or USER)


def acls_of(member: Member) -> list[str]:
    """Return what the processes of a sport may do, as words of kafka-acls."""
    topics = member.topic_list()
    reads = [one.name for one in topics]
    writes = [one.name for one in topics if one.writer != "provider"]
    made = [f"--operation Read --operation Describe --topic {name}" for name in reads]
    made += [f"--operation Write --topic {name}" for name in writes]
    prefixed = "--resource-pattern-type prefixed"
    made.append(f"--operation Read --operation Describe {prefixed} --group {member.group}")
    ids = [f"{member.group}."]
    if member.is_live:
        name = f"oddspipe.ingest.{member.topics.feed}"
        made.append(f"--operation Read --operation Describe --group {name}")
        ids.append(name)
    made += [
        f"--operation Write --operation Describe {prefixed} --transactional-id {one}" for one in ids
    ]
    return made


def _partners(fleet: Fleet) -> str:
    lines = [shell("platform.yaml", "Let partners read the odds of their sports, and no faster.")]
    for name, topics in fleet.partner_topics().items():
        partner = fleet.partners[name]
        user = f"User:partner-{name}"
        lines.append(f"# {partner['title']}, {partner['tier']}\n")
        lines += [
            f"kafka-acls.sh {CLIENT} --add --allow-principal {user} --operation Read "
            f"--operation Describe --topic {topic}\n"
            for topic in topics
        ]
        lines.append(
            f"kafka-acls.sh {CLIENT} --add --allow-principal {user} --operation Read "
            f"--resource-pattern-type prefixed --group {name}.\n"
        )
        lines.append(
            f"kafka-configs.sh {CLIENT} --alter --entity-type users --entity-name partner-{name} "
            f"--add-config consumer_byte_rate={quota_of(partner)}\n\n"
        )
    return "".join(lines)


def quota_of(partner: dict[str, Any]) -> int:
    """Return the bytes a second that a partner may read from each broker: twice what it is sold."""
    return int(partner["max_rate"]) * BOARD_BYTES * 2

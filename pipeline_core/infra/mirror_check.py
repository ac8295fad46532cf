"""A mirror's settings held against what partners are promised: MirrorMaker itself takes any key."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

KNOWN: Final = re.compile(
    r"clusters|replication\.policy\.class|dedicated\.mode\.enable\.internal\.rest|listeners"
    r"|config\.providers(\.file\.class)?"
    r"|\w+\.(bootstrap\.servers|security\.protocol|sasl\.(mechanism|jaas\.config)"
    r"|consumer\.isolation\.level|exactly\.once\.source\.support"
    r"|(offset|config|status)\.storage\.replication\.factor)"
    r"|\w+->\w+\.(enabled|topics|groups|tasks\.max|replication\.factor"
    r"|(offset-syncs|checkpoints|heartbeats)\.topic\.replication\.factor"
    r"|sync\.(group\.offsets\.(enabled|interval\.seconds)|topic\.(configs|acls)\.enabled)"
    r"|emit\.(checkpoints\.interval\.seconds|heartbeats\.enabled)"
    r"|refresh\.(topics|groups)\.interval\.seconds)"
)
"""Keys that MirrorMaker 4.1 has: one that it does not know, it passes over without a word."""
IDENTITY: Final = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy"


def read_properties(text: str) -> dict[str, str]:
    r"""Return the settings of a properties file, doubled backslashes as Java reads them.

    >>> read_properties("# said\na->b.topics = x\\\\.y\n")
    {'a->b.topics': 'x\\.y'}
    """
    pairs = [line.partition(" = ") for line in text.splitlines() if not line.startswith("#")]
    return {key: value.replace("\\\\", "\\") for key, _, value in pairs}


def mirror_faults(folder: Path, file: Path) -> list[str]:
    """Return what is wrong with the settings of a mirror, in a rendered environment."""
    found = read_properties(file.read_text(encoding="utf-8"))
    name = file.stem
    wanted = {
        "clusters": f"home, {name}",
        "replication.policy.class": IDENTITY,
        f"home->{name}.enabled": "true",
        f"{name}->home.enabled": "false",
        "home.consumer.isolation.level": "read_committed",
        f"{name}.exactly.once.source.support": "enabled",
        "dedicated.mode.enable.internal.rest": "true",
        f"home->{name}.sync.topic.acls.enabled": "false",
    }
    faults = [f"MirrorMaker has no {key}" for key in found if not KNOWN.fullmatch(key)]
    faults += [
        f"{key} is {found.get(key)}, not {value}"
        for key, value in wanted.items()
        if found.get(key) != value
    ]
    homes = [found.get(f"{one}.bootstrap.servers") for one in ("home", name)]
    if None in homes or homes[0] == homes[1]:
        faults.append("the two clusters are not two")
    faults += [
        f"{key} holds a password"
        for key, value in found.items()
        if "password=" in value and 'password="${file:' not in value
    ]
    return faults + _topics(folder, found, name)


def _topics(folder: Path, found: Mapping[str, str], name: str) -> list[str]:
    """Hold the patterns of topics against those that the brokers are given."""
    there: dict[str, int] = {}
    for one in sorted(folder.glob("kafka/*/topics.yaml")):
        document = yaml.safe_load(one.read_text(encoding="utf-8"))
        there |= {topic["name"]: topic["replication"] for topic in document["topics"]}
    patterns = found.get(f"home->{name}.topics", "").split(",")
    taken = {topic for topic in there for one in patterns if re.fullmatch(one, topic)}
    faults = [
        f"no topic is {one}"
        for one in patterns
        if not any(re.fullmatch(one, topic) for topic in there)
    ]
    # Positions of one cluster mean nothing in another.
    faults += [f"{one} must not be mirrored" for one in sorted(taken) if "snapshots" in one]
    faults += [
        f"{one} is not mirrored" for one in sorted(there) if ".odds." in one and one not in taken
    ]
    copies = str(max(there.values(), default=1))
    faults += [
        f"{key} is {value}, topics at home have {copies}"
        for key, value in found.items()
        if key.endswith("replication.factor") and value != copies
    ]
    return faults

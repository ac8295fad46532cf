"""A Kafka broker (KRaft, one node) from its Maven artefacts; needs Java 17 and Maven."""

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import uuid
from importlib.resources import files
from pathlib import Path

from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.services import process

VERSION = "4.1.1"
SCALA = "2.13"
LOG4J = "2.24.3"
PORT = 9092
HEAP_MB = 1024
FETCH_S = 600
_STARTS = ("kafka.tools.StorageTool", "kafka.Kafka")

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oddspipe</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_{SCALA}</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId>
      <version>{LOG4J}</version>
    </dependency>
  </dependencies>
</project>
"""

_LOG4J = """status = error
appender.console.type = Console
appender.console.name = out
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def cache_folder() -> Path:
    """Return where the jars are laid down: `~/.cache/oddspipe`, or below `$XDG_CACHE_HOME`."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "oddspipe"


def jars() -> Path:
    """Return the folder of the broker's jars, laid down once and checked against their hashes.

    Raises:
        UsageError: Java or Maven is missing.
        RunError: The jars cannot be had, or are not those that the hashes name.
    """
    folder = cache_folder() / f"kafka-{VERSION}"
    _program("java", "openjdk-17-jre-headless")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two commands at once must not lay them down into each other.
    with (folder.parent / f"kafka-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(folder)
    return folder


def start(folder: Path, *, port: int = PORT, partitions: int = 4) -> process.Running:
    """Start a broker whose log lies in `folder`; what it held before is still there.

    Args:
        folder: Folder of the service.
        port: Port of the listener; any other is taken where this one is in use.
        partitions: Partitions of a topic that is made without a number.

    Raises:
        UsageError: Java or Maven is missing.
        RunError: It does not start.
    """
    libraries = jars()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    chosen, controller = process.free_port(port), process.free_port()
    settings = folder / "server.properties"
    settings.write_text(_properties(folder, chosen, controller, partitions))
    (folder / "log4j2.properties").write_text(_LOG4J)
    java = [
        "java",
        f"-Xms{HEAP_MB // 2}m",
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseG1GC",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "-cp",
        f"{libraries}/*",
    ]
    if not (folder / "data" / "meta.properties").exists():
        _format(java, folder, settings)
    server = process.Server(
        "kafka",
        [*java, "kafka.Kafka", str(settings)],
        endpoint=f"localhost:{chosen}",
        port=chosen,
        environ={},
    )
    return server.start(folder)


def cluster_id(drawn: bytes) -> str:
    """Write 16 drawn bytes as an id of a cluster that no tool takes for an option.

    >>> cluster_id(bytes([0xFB] * 16))
    'e_v7-_v7-_v7-_v7-_v7-w'
    """
    # The first sign is made of the first six bits; without the highest it is a letter, never a -.
    safe = bytes([drawn[0] & 0x7F]) + drawn[1:]
    return base64.urlsafe_b64encode(safe).decode().rstrip("=")


def _properties(folder: Path, port: int, controller: int, partitions: int) -> str:
    words = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@localhost:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://localhost:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": folder / "data",
        "num.partitions": partitions,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "group.coordinator.rebalance.protocols": "classic,consumer",
        # One node: a replica of everything, and few partitions of the broker's own topics.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A member that was killed without static membership is missed after this long.
        "group.min.session.timeout.ms": 1000,
        "log.segment.bytes": 256 << 20,
    }
    return "".join(f"{name}={value}\n" for name, value in words.items())


def _format(java: list[str], folder: Path, settings: Path) -> None:
    """Make the broker's folder: KRaft starts on none other."""
    done = subprocess.run(  # noqa: S603 - words of ours
        [*java, _STARTS[0], "format", "-t", cluster_id(uuid.uuid4().bytes), "-c", str(settings)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if done.returncode:
        raise RunError(f"the Kafka folder cannot be made: {(done.stderr or done.stdout).strip()}")


def _fetch(folder: Path) -> None:
    maven = _program("mvn", "maven")
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    (part / "pom.xml").write_text(_POM)
    words = ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    try:
        done = subprocess.run(  # noqa: S603 - words of ours
            [maven, *words, f"-DoutputDirectory={part}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=part,
            timeout=FETCH_S,
        )
    except subprocess.TimeoutExpired as error:
        raise RunError(f"Maven did not bring Kafka within {FETCH_S} s") from error
    if done.returncode:
        said = " / ".join(line for line in done.stdout.splitlines() if "ERROR" in line)[:500]
        raise RunError(
            f"Maven cannot bring Kafka {VERSION}: {said or done.stderr.strip()}",
            hint="It needs the network the first time, or a mirror in Maven's settings.",
        )
    _verify(part)
    (part / "complete").touch()
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def _verify(folder: Path) -> None:
    """Compare every jar with the hash that is committed for it.

    Raises:
        RunError: One is missing, strange or too many.
    """
    lines = files("oddspipe.core.services").joinpath("kafka.sha256").read_text().splitlines()
    wanted = {name: digest for digest, name in (line.split() for line in lines)}
    got = {one.name: _sha256(one) for one in folder.glob("*.jar")}
    wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    if wrong:
        raise RunError(
            f"{len(wrong)} of Kafka's jars are not those that oddspipe was tested with: "
            f"{', '.join(wrong[:3])}",
            hint="A mirror of Maven's may be at fault; remove them from its cache and try again.",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"kafka needs {name}", hint=f"On Debian: apt-get install {package}")
    return found

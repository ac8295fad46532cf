"""The rendered settings of MirrorMaker, run between two real brokers: what partners find there."""

import fcntl
import itertools
import os
import re
import shutil
import signal
import subprocess
import uuid
from contextlib import contextmanager

import pytest
import yaml
from tests.plan_cases import ROOT
from tests.waiting import until

from oddspipe.core.infra.load import fleets_of
from oddspipe.core.infra.render import tree_of
from oddspipe.core.services import kafka, process

client = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in 'kafka'")
admin_module = pytest.importorskip("confluent_kafka.admin", reason="as above")

pytestmark = pytest.mark.integration

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>oddspipe</groupId><artifactId>mirror</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>connect-mirror</artifactId>
      <version>{kafka.VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{kafka.LOG4J}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId>
      <version>{kafka.LOG4J}</version>
    </dependency>
  </dependencies>
</project>
"""
QUICK = {
    "home->west.sync.group.offsets.interval.seconds": 1,
    "home->west.emit.checkpoints.interval.seconds": 1,
    "home->west.refresh.topics.interval.seconds": 1,
    "home->west.refresh.groups.interval.seconds": 1,
    "west.offset.flush.interval.ms": 500,
    "west.scheduled.rebalance.max.delay.ms": 0,
}
"""What the test cannot wait for; all else is as rendered."""
TOPIC, GROUP = "nba.odds.v1", "acme.odds"
KEPT = {"retention.ms": "86400123", "compression.type": "lz4"}


@pytest.fixture(scope="session")
def jars():
    """Return the folder of MirrorMaker's jars, laid down once beside those of the broker."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("MirrorMaker needs Java 17 and Maven")
    folder = kafka.cache_folder() / f"mirror-{kafka.VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            (folder / "pom.xml").write_text(POM)
            words = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
            subprocess.run(
                [*words, f"-DoutputDirectory={folder}"], cwd=folder, check=True, timeout=400,
                capture_output=True,
            )  # fmt: skip
            (folder / "complete").touch()
    return folder


@pytest.fixture(scope="session")
def west(tmp_path_factory):
    folder = tmp_path_factory.mktemp("west")
    running = kafka.start(folder, port=process.free_port())
    try:
        yield running.endpoint
    finally:
        process.stop(folder)


def settings_of(folder, home, west):
    """Return the rendered file of a mirror between two addresses, made quick."""
    document = yaml.safe_load((ROOT / "platform.yaml").read_text())
    document["environments"]["dev"]["infra"]["regions"] = {
        "west": {"region": "us-west-2", "brokers": west}
    }
    (folder / "platform.yaml").write_text(yaml.safe_dump(document))
    (fleet,) = fleets_of(
        ["dev"], platform=folder / "platform.yaml", environ={"ODDSPIPE_KAFKA": home}
    )
    text = tree_of(fleet).texts()["kafka/mirror/west.properties"]
    assert not set(QUICK) - set(re.findall(r"^(\S+) = ", text, re.MULTILINE)) - {
        "west.offset.flush.interval.ms", "west.scheduled.rebalance.max.delay.ms"
    }  # fmt: skip
    port = process.free_port()
    more = "".join(f"{key} = {value}\n" for key, value in QUICK.items())
    file = folder / "west.properties"
    file.write_text(f"{text}{more}listeners = http://127.0.0.1:{port}\n")
    return file


class Mirror:
    """MirrorMaker as a process of its own, killed and started at will."""

    def __init__(self, jars, file):
        self._words = [
            "java", "-Xmx512m", f"-Dlog4j2.configurationFile={file.parent / 'log4j2.properties'}",
            "-cp", f"{jars}/*", "org.apache.kafka.connect.mirror.MirrorMaker", str(file),
            "--clusters", "west",
        ]  # fmt: skip
        (file.parent / "log4j2.properties").write_text(
            "status = error\nappender.c.type = Console\nappender.c.name = out\n"
            "appender.c.layout.type = PatternLayout\nrootLogger.level = warn\n"
            "rootLogger.appenderRef.out.ref = out\n"
        )
        self._log = file.parent / "mirror.log"
        self._run = None

    def start(self):
        with self._log.open("ab") as log:
            self._run = subprocess.Popen(
                self._words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def kill(self):
        if self._run is not None and self._run.poll() is None:
            os.killpg(self._run.pid, signal.SIGKILL)
            self._run.wait()


def read(brokers, partitions=2):
    """Return what a partner who trusts commits only finds in the topic, by partition."""
    consumer = client.Consumer({
        "bootstrap.servers": brokers, "group.id": f"r-{uuid.uuid4().hex}",
        "isolation.level": "read_committed", "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    consumer.assign([client.TopicPartition(TOPIC, p, 0) for p in range(partitions)])
    found, ends = {p: [] for p in range(partitions)}, set()
    try:
        while len(ends) < partitions:
            message = consumer.poll(5)
            if message is None:
                continue
            if message.error() is not None:
                if message.error().code() != client.KafkaError._PARTITION_EOF:
                    return None
                ends.add(message.partition())
            else:
                found[message.partition()].append((message.key(), message.value()))
    finally:
        consumer.close()
    return found


def make(brokers, *names):
    admin = admin_module.AdminClient({"bootstrap.servers": brokers})
    wanted = [admin_module.NewTopic(name, 2, 1, config=KEPT) for name in names]
    for one in admin.create_topics(wanted).values():
        one.result(20)
    return admin


class Odds:
    """Publishes odds as workers do: in transactions, each game on its partition, in sequence."""

    def __init__(self, brokers):
        self._producer = client.Producer({
            "bootstrap.servers": brokers, "transactional.id": f"t-{uuid.uuid4().hex}",
            "compression.type": "lz4",
        })  # fmt: skip
        self._producer.init_transactions(20)
        self._next = itertools.count(1)

    def publish(self, count, *, abort=False):
        self._producer.begin_transaction()
        for number in [-1] * count if abort else itertools.islice(self._next, count):
            for partition, game in enumerate((b"A", b"B")):
                self._producer.produce(TOPIC, b"%d" % number, game, partition)
        if abort:
            self._producer.flush(20)
            self._producer.abort_transaction(20)
        else:
            self._producer.commit_transaction(20)


def committed(admin, group):
    try:
        found = admin.list_consumer_group_offsets([client.ConsumerGroupTopicPartitions(group)])
        return {one.partition: one.offset for one in found[group].result(20).topic_partitions}
    except client.KafkaException:
        return {}


@contextmanager
def partner(brokers):
    """Subscribe as a partner does, who says itself how far it has come."""
    consumer = client.Consumer({
        "bootstrap.servers": brokers, "group.id": GROUP, "isolation.level": "read_committed",
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
    })  # fmt: skip
    consumer.subscribe([TOPIC])
    try:
        yield consumer
    finally:
        consumer.close()


def taken(consumer, enough):
    """Return the sequences of each game that come until there are enough."""
    found = {b"A": [], b"B": []}
    while not enough(found):
        message = consumer.poll(30)
        assert message is not None
        found[message.key()].append(int(message.value()))
    return found


def is_mirrored_through_kills(odds, mirror, west):
    """Publish on while the mirror is killed at work, and started again."""
    for _ in range(2):
        odds.publish(200)
        assert until(lambda: read(west) not in (None, {0: [], 1: []}), 90)
        mirror.kill()
        odds.publish(50, abort=True)
        odds.publish(100)
        mirror.start()


def test_partners_find_each_odds_once_and_in_order_in_the_other_region(
    brokers, west, jars, tmp_path
):
    make(brokers, TOPIC)
    there = admin_module.AdminClient({"bootstrap.servers": west})
    odds, mirror = Odds(brokers), Mirror(jars, settings_of(tmp_path, brokers, west))
    odds.publish(300)
    odds.publish(50, abort=True)
    mirror.start()
    try:
        assert until(lambda: TOPIC in there.list_topics(timeout=20).topics, 90)
        is_mirrored_through_kills(odds, mirror, west)
        with partner(brokers) as reader:
            read_at_home = taken(reader, lambda found: min(map(len, found.values())) >= 900)
            reader.commit(asynchronous=False)
        assert until(lambda: set(committed(there, GROUP)) == {0, 1}, 90)
        odds.publish(100)
        assert until(lambda: read(west) == read(brokers), 120)
    finally:
        mirror.kill()
    place = admin_module.ConfigResource(admin_module.ResourceType.TOPIC, TOPIC)
    configs = there.describe_configs([place])[place].result(20)
    assert {name: configs[name].value for name in KEPT} == KEPT
    found = read(west)
    for partition, game in enumerate((b"A", b"B")):
        assert found[partition] == [(game, b"%d" % number) for number in range(1, 1001)]

    # The partner changes the address, and reads on: nothing is missing, what comes again it knows.
    seen = {game: numbers[-1] for game, numbers in read_at_home.items()}
    with partner(west) as reader:
        again = taken(
            reader,
            lambda found: all(have[-1:] == [1000] for have in found.values()),
        )
    for game, numbers in again.items():
        assert numbers[0] <= seen[game] + 1
        assert numbers == list(range(numbers[0], 1001))

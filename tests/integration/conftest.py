"""A real Kafka broker for the tests of a session."""

import itertools
import shutil
from collections.abc import Callable, Iterator

import pytest

from oddspipe.core.services import clickhouse, kafka, process

_numbers = itertools.count()


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a broker that was started for this session."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("a Kafka broker needs Java 17 and Maven")
    folder = tmp_path_factory.mktemp("kafka")
    running = kafka.start(folder, port=process.free_port())
    try:
        yield running.endpoint
    finally:
        process.stop(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of ClickHouse's engine behind its HTTP interface."""
    pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")
    folder = tmp_path_factory.mktemp("clickhouse")
    try:
        yield clickhouse.start(folder, port=process.free_port()).endpoint
    finally:
        process.stop(folder)


@pytest.fixture
def new_topic(brokers: str) -> Callable[..., str]:
    """Return a function that makes a topic of so many partitions and gives its name."""
    admin = pytest.importorskip("confluent_kafka.admin", reason="confluent-kafka is in 'kafka'")
    client = admin.AdminClient({"bootstrap.servers": brokers})

    def make(partitions: int = 1, **config: str) -> str:
        name = f"games-{next(_numbers)}"
        client.create_topics([admin.NewTopic(name, partitions, 1, config=config)])[name].result(10)
        return name

    return make

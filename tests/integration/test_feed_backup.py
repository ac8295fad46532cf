"""The backup of a feed: in a folder and in an S3-compatible store, each record once, in order."""

import os

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
from oddspipe.core.adapters.kafka import feed_backup
from oddspipe.core.adapters.kafka.committed import Kept
from oddspipe.core.adapters.kafka.feed_backup import FeedBackup
from oddspipe.core.errors import RunError

pytestmark = pytest.mark.integration
RECORDS = [
    Kept(3 * at, 1_700_000_000_000 + at, b"G%d" % (at % 3), b"\xff%d" % at) for at in range(50)
]


class Topic:
    """A topic's records, from an offset on, a few at a time."""

    def records(self, _topic, _partition, first=0):
        left = [one for one in RECORDS if one.offset >= first]
        for at in range(0, len(left), 7):
            yield left[at : at + 7]


@pytest.fixture
def store(monkeypatch):
    """Return an address in an S3 server that speaks HTTP on this machine."""
    server = pytest.importorskip("moto.server", reason="moto is in the extra 'dev'")
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).create_bucket(Bucket="feeds")
    yield "s3://feeds/kept"
    running.stop()


@pytest.fixture(params=["folder", "s3"])
def where(request, tmp_path):
    return str(tmp_path) if request.param == "folder" else request.getfixturevalue("store")


def kept(backup, partition=1):
    return [one for part in backup.records(partition) for one in part]


def test_what_is_saved_is_read_back_and_goes_on_where_it_ends(where, monkeypatch):
    monkeypatch.setattr(feed_backup, "FILE_ROWS", 10)
    monkeypatch.setattr(feed_backup, "AT_ONCE", 8)
    backup = FeedBackup(where, "nfl.feed.v1")
    first = RECORDS[:12]

    assert backup._write(1, first) == 12
    assert kept(backup) == first
    assert backup.save(1, Topic(), "nfl.feed.v1") == len(RECORDS) - 12
    assert backup.save(1, Topic(), "nfl.feed.v1") == 0
    backup._write(1, RECORDS[5:9])

    assert kept(backup) == RECORDS


def test_what_is_not_there_is_told(where):
    with pytest.raises(RunError, match="partition 2 cannot be read"):
        kept(FeedBackup(where, "nfl.feed.v1"), 2)

"""Google's Pub/Sub client against the service, and our receiver: what comes again, what is full."""

import os
import signal
import subprocess
import threading
import time

import pytest
from google.api_core.exceptions import AlreadyExists, NotFound, ResourceExhausted
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import FlowControl, PublisherOptions
from google.pubsub_v1 import PublisherClient as PublisherApi
from tests.integration.test_live_feeds import ODDSPIPE, command, free_port, spooled
from tests.plan_cases import ROOT
from tests.waiting import until

from oddspipe.core.adapters.pubsub import receiver as receiving
from oddspipe.core.adapters.pubsub.receiver import PubSubReceiver
from oddspipe.core.adapters.pubsub.server import PubSubServer
from oddspipe.core.assemble import Input, source_of
from oddspipe.core.assemble_live import published_feed_of
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError
from oddspipe.core.plan.load import plan_for

pytestmark = pytest.mark.integration

TOPIC = "projects/p/topics/t"
PATH = "projects/p/subscriptions/s"
WAIT_S = 30.0


@pytest.fixture
def service(monkeypatch):
    made = PubSubServer()
    made.declare(TOPIC, PATH)
    made.start()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", made.address)
    yield made
    made.stop()


@pytest.fixture
def subscriber(service):  # noqa: ARG001 - it listens first
    with SubscriberClient() as client:
        yield client


def publish(texts, key="", **options):
    PublisherApi.publish(
        PublisherClient(),
        topic=TOPIC,
        messages=[{"data": text.encode(), "ordering_key": key} for text in texts],
        **options,
    )


def pull(subscriber, most=100, path=PATH):
    return subscriber.pull(subscription=path, max_messages=most).received_messages


def data(received):
    return [one.message.data.decode() for one in received]


class Kept:
    """An inbox that keeps what it takes, and can be shut so that nothing is durable."""

    cursor = b""

    def __init__(self):
        self.batches, self.troubles = [], []
        self.open = threading.Event()
        self.open.set()
        self._stopped = threading.Event()

    def take(self, messages, _cursor):
        while not self.open.wait(0.02):
            if self.stopped:
                return False
        self.batches.append(list(messages))
        return True

    def trouble(self, words):
        if words:
            self.troubles.append(words)

    @property
    def stopped(self):
        return self._stopped.is_set()

    @property
    def texts(self):
        return [one.decode() for batch in self.batches for one in batch]

    def receive(self, receiver):
        thread = threading.Thread(target=receiver.receive, args=(self,))
        thread.start()
        return thread

    def stop(self, thread):
        self._stopped.set()
        thread.join(WAIT_S)
        assert not thread.is_alive()


# Google's client.


def test_googles_publisher_and_subscriber_exchange_messages_in_order_of_each_key(service):
    publisher = PublisherClient(publisher_options=PublisherOptions(enable_message_ordering=True))
    futures = [
        publisher.publish(TOPIC, f"{key}{i}".encode(), ordering_key=key)
        for i in range(50)
        for key in "abc"
    ]
    ids = [future.result(WAIT_S) for future in futures]
    assert len(set(ids)) == 150

    came = []

    def call(message):
        came.append((message.message_id, message.data.decode(), message.publish_time))
        message.ack()

    with SubscriberClient() as subscriber:
        stream = subscriber.subscribe(PATH, call, flow_control=FlowControl(max_messages=20))
        assert until(lambda: service.waiting() == 0, WAIT_S)
        stream.cancel()
        stream.result(WAIT_S)

    assert {one for one, _, _ in came} == set(ids)
    for key in "abc":
        assert [text for _, text, _ in came if text[0] == key] == [f"{key}{i}" for i in range(50)]
    assert all(at.timestamp() > 1.7e9 for _, _, at in came)


def test_what_is_not_acknowledged_comes_again_before_what_follows_of_its_key(service, subscriber):
    publish(["a0", "a1", "a2"], key="a")
    first = pull(subscriber, 2)
    assert data(first) == ["a0", "a1"]
    subscriber.modify_ack_deadline(
        subscription=PATH, ack_ids=[first[0].ack_id], ack_deadline_seconds=0
    )

    again = pull(subscriber)
    assert data(again) == ["a0", "a1", "a2"]
    assert again[0].message.message_id == first[0].message.message_id
    subscriber.acknowledge(subscription=PATH, ack_ids=[one.ack_id for one in again])
    assert service.waiting() == 0


def test_a_deadline_that_passes_brings_the_message_again_and_a_longer_one_does_not(
    service, subscriber
):
    publish(["late"], key="a")
    publish(["extended"], key="b")
    late, extended = pull(subscriber)
    subscriber.modify_ack_deadline(
        subscription=PATH, ack_ids=[extended.ack_id], ack_deadline_seconds=600
    )
    subscriber.modify_ack_deadline(subscription=PATH, ack_ids=[late.ack_id], ack_deadline_seconds=1)
    came = []
    assert until(lambda: came.extend(data(pull(subscriber))) or came, WAIT_S)
    assert came == ["late"]
    assert service.waiting() == 2


def test_an_acknowledgement_after_the_deadline_does_not_lose_what_comes_again(service, subscriber):
    publish(["one"])
    (given,) = pull(subscriber)
    subscriber.modify_ack_deadline(
        subscription=PATH, ack_ids=[given.ack_id], ack_deadline_seconds=0
    )
    (again,) = pull(subscriber)
    subscriber.acknowledge(subscription=PATH, ack_ids=[given.ack_id])
    assert service.waiting() == 1
    subscriber.acknowledge(subscription=PATH, ack_ids=[again.ack_id])
    assert service.waiting() == 0


def test_topics_and_subscriptions_are_made_once_and_every_subscription_gets_all(subscriber):
    with pytest.raises(AlreadyExists):
        PublisherClient().create_topic(name=TOPIC)
    assert PublisherClient().get_topic(topic=TOPIC).name == TOPIC
    other = "projects/p/subscriptions/other"
    subscriber.create_subscription(name=other, topic=TOPIC)
    assert subscriber.get_subscription(subscription=other).ack_deadline_seconds == 10
    publish(["one"])
    assert data(pull(subscriber)) == data(pull(subscriber, path=other)) == ["one"]
    with pytest.raises(NotFound, match="there is no subscription"):
        pull(subscriber, path="projects/p/subscriptions/none")


@pytest.mark.parametrize(("limits", "size"), [({"most": 3}, 1), ({"most_bytes": 3000}, 1000)])
def test_a_full_subscription_refuses_with_its_limits_until_something_is_acknowledged(
    monkeypatch, limits, size
):
    service = PubSubServer(**limits)
    service.declare(TOPIC, PATH)
    service.start()
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", service.address)
    publish(["x" * size] * 3)
    with pytest.raises(ResourceExhausted, match=r"s holds 3 messages, .* this service keeps"):
        publish(["x" * size], retry=None)
    with SubscriberClient() as subscriber:
        subscriber.acknowledge(
            subscription=PATH, ack_ids=[one.ack_id for one in pull(subscriber, 1)]
        )
    publish(["y" * size])
    assert service.waiting() == 3
    service.stop()


def test_a_provider_waits_while_the_service_is_full():
    plan = plan_for(ROOT / "sports" / "mlb.yaml", environment="dev", environ={})
    feed = published_feed_of(plan, SystemClock(), "127.0.0.1:0")
    feed.service = PubSubServer(most=1000)
    feed.start()
    path = feed.topic.replace("/topics/", "/subscriptions/")
    source = source_of(plan, Input(games=2, rate=600, duration_s=10), None)
    thread = threading.Thread(target=feed.make, args=(source, lambda: False))
    thread.start()
    assert until(lambda: feed.service.full, WAIT_S)
    assert 500 <= feed.service.waiting() <= 1000

    came = 0
    with SubscriberClient() as subscriber:
        while thread.is_alive() or feed.service.waiting():
            received = pull(subscriber, 500, path)
            came += len(received)
            if received:
                subscriber.acknowledge(subscription=path, ack_ids=[one.ack_id for one in received])
    feed.stop()
    assert came == feed.sent > 1000


# Our receiver.


def test_deadlines_are_extended_while_nothing_can_be_kept_so_that_nothing_comes_again(service):
    inbox = Kept()
    inbox.open.clear()
    # More than one answer of the service: also what waits behind the first one is extended.
    sent = [f"m{i}" for i in range(1200)]
    publish(sent, key="a")
    thread = inbox.receive(PubSubReceiver("p", "s", lease_s=1))
    time.sleep(4)
    assert inbox.texts == []
    inbox.open.set()
    assert until(lambda: service.waiting() == 0, WAIT_S)
    inbox.stop(thread)

    assert inbox.texts == sent
    assert len(inbox.batches) > 1


class Refusing(Kept):
    """An inbox that keeps nothing, as one that was stopped while it waited."""

    def take(self, _messages, _cursor):
        return False


class Shut(Kept):
    """An inbox that never has room."""

    def __init__(self):
        super().__init__()
        self.open.clear()


@pytest.mark.parametrize("kind", [Refusing, Shut])
@pytest.mark.proves("loss", "pubsub")
def test_nothing_is_acknowledged_that_was_not_kept(service, kind):
    publish(["a", "b"], key="k")
    shut = kind()
    thread = shut.receive(PubSubReceiver("p", "s"))
    time.sleep(1)
    shut.stop(thread)
    assert service.waiting() == 2

    inbox = Kept()
    thread = inbox.receive(PubSubReceiver("p", "s"))
    assert until(lambda: service.waiting() == 0, WAIT_S)
    inbox.stop(thread)
    assert inbox.texts == ["a", "b"]


@pytest.mark.proves("bounded", "pubsub")
def test_a_slow_inbox_is_sent_no_more_than_it_asked_for(service, monkeypatch):
    monkeypatch.setattr(receiving, "HELD", 50)
    monkeypatch.setattr(receiving, "HELD_BYTES", 20_000)
    publish([f"{i:0>1000}" for i in range(200)], key="a")
    inbox = Kept()
    inbox.open.clear()
    thread = inbox.receive(PubSubReceiver("p", "s"))
    (one,) = service._subscriptions.values()
    assert until(lambda: one.out, WAIT_S)
    time.sleep(1)
    # 20,000 bytes, and the message that goes beyond them.
    assert 0 < len(one.out) <= 20
    inbox.open.set()
    assert until(lambda: service.waiting() == 0, WAIT_S)
    inbox.stop(thread)
    assert [int(text) for text in inbox.texts] == list(range(200))


def test_a_service_that_goes_away_is_asked_again_and_says_so(service):
    inbox = Kept()
    publish(["before"], key="a")
    thread = inbox.receive(PubSubReceiver("p", "s"))
    assert until(lambda: service.waiting() == 0, WAIT_S)
    port = int(service.address.rpartition(":")[2])
    service.stop()
    assert until(lambda: inbox.troubles, WAIT_S)
    again = PubSubServer("127.0.0.1", port)
    again.declare(TOPIC, PATH)
    again.start()
    publish(["after"], key="a")
    assert until(lambda: again.waiting() == 0, WAIT_S)
    inbox.stop(thread)
    again.stop()

    assert inbox.texts == ["before", "after"]
    assert PATH in inbox.troubles[0]


@pytest.mark.usefixtures("service")
def test_a_wrong_subscription_is_told_at_once():
    with pytest.raises(RunError, match="there is no subscription projects/p/subscriptions/none"):
        PubSubReceiver("p", "none").receive(Kept())


@pytest.mark.proves("kill", "pubsub")
def test_a_run_outlives_a_provider_that_is_killed_and_started_again(tmp_path):
    environ = {**os.environ, "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{free_port()}"}
    run = subprocess.Popen(
        command("mlb"), cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    spool = tmp_path / ".oddspipe/mlb/dev-live/spool"

    def size():
        return sum(file.stat().st_size for file in spool.glob("*.spool"))

    for seed in (1, 2):
        # The run is first: it must wait for its provider, and wait again once that is killed.
        assert until(spool.exists, WAIT_S)
        before = size()
        served = subprocess.Popen(
            [ODDSPIPE, "feed", "serve", "--sport", "mlb", "--env", "dev", "--rate", "600",
             "--seed", str(seed), "--games", "2"],
            cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert until(lambda before=before: size() > before + 40_000, WAIT_S)
        served.send_signal(signal.SIGKILL)
        served.wait()
    run.send_signal(signal.SIGTERM)
    _, told = run.communicate(timeout=WAIT_S)

    assert run.returncode == 0, told
    assert "received again" in told
    assert "Traceback" not in told
    found, _ = spooled(tmp_path, "mlb")
    assert len(found) > 100


def test_a_port_that_is_taken_is_told_in_one_message(service, tmp_path):
    done = subprocess.run(
        [ODDSPIPE, "feed", "serve", "--sport", "mlb", "--duration", "1"],
        cwd=tmp_path, env={**os.environ, "PUBSUB_EMULATOR_HOST": service.address},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 4
    assert done.stderr == (
        f"error: {service.address} cannot be listened on [run]\n"
        "hint: Another service is there; choose another PUBSUB_EMULATOR_HOST.\n"
    )

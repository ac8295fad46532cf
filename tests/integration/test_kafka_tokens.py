"""A worker that logs in by tokens which it makes itself: they are renewed while it runs."""

import base64
import json
import threading

import pytest
from tests.integration.kafka_worker import runner_of
from tests.integration.test_kafka_transactions import (
    assert_as_wanted,
    feed_of,
    made_on,
    straight,
    write,
)
from tests.waiting import until

from oddspipe.core.clock import SystemClock
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.services import kafka, process

pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.msk_iam import IamTokens
from oddspipe.core.adapters.kafka.records import Worker

pytestmark = pytest.mark.integration
LIVES_S = 4
LOGIN = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
LISTENER = """
listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.tokens.oauthbearer.sasl.jaas.config={login} unsecuredLoginStringClaim_sub="b";
listener.name.tokens.oauthbearer.connections.max.reauth.ms=3000
"""


def with_tokens(text: str, port: int) -> str:
    """Give a broker another listener, at which clients show tokens."""
    lines = []
    for line in text.splitlines():
        name, _, words = line.partition("=")
        if name == "listeners":
            words = f"{words},TOKENS://127.0.0.1:{port}"
        elif name == "advertised.listeners":
            words = f"{words},TOKENS://localhost:{port}"
        elif name == "listener.security.protocol.map":
            words = f"{words},TOKENS:SASL_PLAINTEXT"
        lines.append(f"{name}={words}" if words else line)
    return "\n".join(lines) + LISTENER.format(login=LOGIN)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Return the addresses of a broker: without a login, and with tokens."""
    folder, port = tmp_path_factory.mktemp("tokens"), process.free_port()
    patch = pytest.MonkeyPatch()
    plain = kafka._properties
    patch.setattr(kafka, "_properties", lambda *words: with_tokens(plain(*words), port))
    try:
        running = kafka.start(folder, port=process.free_port())
        yield running.endpoint, f"localhost:{port}"
    finally:
        patch.undo()
        process.stop(folder)


class Signer:
    """Signs what the broker takes: a token without a signature, of a few seconds."""

    def __init__(self, lives_s: float) -> None:
        self._lives_s = lives_s
        self.regions: list[str] = []

    def __call__(self, region: str) -> tuple[str, int]:
        self.regions.append(region)
        now = SystemClock().now_us() / 1e6
        parts = ({"alg": "none"}, {"sub": "odds", "iat": now, "exp": now + self._lives_s})
        words = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in parts]
        return b".".join([*words, b""]).decode(), int((now + self._lives_s) * 1000)


def cluster_at(brokers: str, sign: Signer) -> Cluster:
    login = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": IamTokens("eu-west-1", sign),
    }
    return Cluster(brokers, 1, login)


def test_tokens_are_renewed_while_a_worker_runs(places) -> None:
    plain, secured = places
    topics, feed, sign = made_on(plain), feed_of(3), Signer(LIVES_S)
    runner, stop = (
        runner_of(KafkaLog(Worker(cluster_at(secured, sign), topics.odds, 0), topics), topics),
        StopSwitch(),
    )
    running = threading.Thread(target=runner.run, args=(stop,))
    running.start()
    try:
        for at in range(0, 700 * 3, 300):
            before = len(sign.regions)
            write(plain, topics, [part[at : at + 300] for part in feed], 0)
            # Nothing is given to it before each of its clients has shown another token.
            assert until(lambda before=before: len(sign.regions) >= before + 3)
        write(plain, topics, [part[2100:] for part in feed], 0)
        assert until(lambda: runner.events == sum(map(len, feed)))
    finally:
        stop.request("the test is over")
        running.join(60)

    assert not running.is_alive()
    assert runner.trouble == ""
    assert set(sign.regions) == {"eu-west-1"}
    assert_as_wanted(plain, topics, [straight(part) for part in feed])

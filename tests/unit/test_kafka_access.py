"""Where a cluster is and how one logs in, from an environment; what is refused, and why."""

import base64
import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from tests.plan_cases import plan
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed

pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")

from confluent_kafka.admin import AdminClient

from oddspipe.core.adapters.kafka.access import cluster_of, login_settings
from oddspipe.core.adapters.kafka.msk_iam import IamTokens
from oddspipe.core.adapters.kafka.published import output_of, read_message
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.adapters.secrets import SECRETS
from oddspipe.core.assemble import with_login
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import RunError, StateError, UsageError
from oddspipe.core.parts import Deployment
from oddspipe.core.runtime.chain import PartitionChain

SCRAM = {"protocol": "sasl_ssl", "mechanism": "SCRAM-SHA-512", "username": "odds"}


def placed(values, **feed):
    made = plan("nfl")
    options = {**made.feed.options, "brokers": None, "security": None, **feed}
    return replace(
        made,
        feed=replace(made.feed, options=options),
        deployment=Deployment("prod", "kafka", values),
    )


def test_the_cluster_is_that_of_the_environment_or_of_the_feed() -> None:
    ours = cluster_of(placed({"kafka": {"brokers": "a:1", "replication": 3}}))
    theirs = cluster_of(placed({}, brokers="b:2"))

    assert (ours.brokers, ours.replication, theirs.brokers) == ("a:1", 3, "b:2")


def test_an_environment_without_kafka_and_two_clusters_are_refused() -> None:
    with pytest.raises(UsageError, match="does not say where Kafka is"):
        cluster_of(placed({}))
    with pytest.raises(UsageError, match="lies on b:2, what is made of it on a:1"):
        cluster_of(placed({"kafka": {"brokers": "a:1"}}, brokers="b:2"))


def test_a_password_is_read_where_it_is_used_and_never_shown(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SECRETS, str(tmp_path))
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "password").write_text("s3cret\n")
    security = {**SCRAM, "password": "{secret: kafka#password}"}

    cluster = cluster_of(placed({"kafka": {"brokers": "a:1", "security": security}}))

    assert cluster.settings()["sasl.password"] == "s3cret"
    assert cluster.settings()["sasl.mechanism"] == "SCRAM-SHA-512"
    assert "s3cret" not in repr(cluster)


def test_a_secret_that_is_not_mounted_is_told_with_its_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SECRETS, str(tmp_path))

    with pytest.raises(RunError, match=r"kafka#password cannot be read") as told:
        login_settings({**SCRAM, "password": "{secret: kafka#password}"})
    assert str(tmp_path / "kafka" / "password") in (told.value.hint or "")


@pytest.mark.parametrize(
    ("security", "words"),
    [
        ({"protocol": "sasl_ssl", "mechanism": "GSSAPI"}, "GSSAPI is not supported"),
        ({"protocol": "sasl_ssl", "mechanism": "OAUTHBEARER"}, "needs `username` and `password`"),
        ({"protocol": "sasl_ssl", "mechanism": "AWS_MSK_IAM"}, "needs `region`"),
        ({"protocol": "sasl_ssl"}, "mechanism none is not supported"),
        (SCRAM, "needs `username` and `password`"),
    ],
)
def test_a_login_that_cannot_work_is_refused(security, words) -> None:
    with pytest.raises(UsageError, match=words):
        login_settings(security)


def test_an_iam_role_signs_tokens_for_the_region_of_the_cluster(monkeypatch) -> None:
    pytest.importorskip("aws_msk_iam_sasl_signer", reason="it is in the extra 'aws'")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    made = login_settings(
        {"protocol": "sasl_ssl", "mechanism": "AWS_MSK_IAM", "region": "eu-west-1"}
    )

    token, expires_s = made["oauth_cb"]("")

    asked = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    query = parse_qs(asked.query)
    assert asked.netloc == "kafka.eu-west-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("AKIDEXAMPLE/")
    assert 600 < expires_s - SystemClock().now_us() / 1e6 < 1000
    assert (made["security.protocol"], made["sasl.mechanism"]) == ("sasl_ssl", "OAUTHBEARER")
    assert "s3cret" not in repr(made)


def test_a_token_that_cannot_be_signed_is_told_at_the_start() -> None:
    def sign(_region: str) -> tuple[str, int]:
        raise ValueError("unable to locate credentials")

    with pytest.raises(RunError, match="no token can be signed for eu-west-1: ValueError: unable"):
        IamTokens("eu-west-1", sign).checked()


def test_odds_read_back_from_their_messages_are_those_that_were_written() -> None:
    feed = noisy_feed(1, games=3, events=700)
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))
    output = PartitionChain(PLAN, NormalModel()).step(given)
    lines = messages(output, Origin("test", "test", "1", "p", 1), ("decimal", "american"))

    back = output_of([read_message(line, "odds [0] 0") for line in lines.splitlines()])

    for name in output.odds.__slots__:
        was, now = getattr(output.odds, name), getattr(back.odds, name)
        if name == "game":
            was, now = (
                [one.games[at] for at in games] for one, games in ((output, was), (back, now))
            )
        np.testing.assert_array_equal(now, was, err_msg=name)


def test_what_is_no_message_of_ours_is_told_with_its_place() -> None:
    with pytest.raises(StateError, match=r"odds \[3\] 17 is no odds message"):
        read_message(b"{}", "odds [3] 17")


def test_a_cache_is_reached_with_the_password_of_its_secret(monkeypatch, tmp_path):
    monkeypatch.setenv(SECRETS, str(tmp_path))
    place = {"username": "odds", "password": "{secret: redis/odds#password}"}
    with pytest.raises(RunError, match="redis/odds#password cannot be read"):
        with_login("rediss://cache:6379/0", place)
    (tmp_path / "redis" / "odds").mkdir(parents=True)
    (tmp_path / "redis" / "odds" / "password").write_text("a/b@c\n")
    url = with_login("rediss://cache:6379/0", place)
    assert url == "rediss://odds:a%2Fb%40c@cache:6379/0"


class TokenEndpoint(BaseHTTPRequestHandler):
    """An OpenID Connect provider's token endpoint: one token, and a note of who asked."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append((self.headers["Authorization"], body))
        now = int(time.time())  # noqa: TID251 - a token bears the time
        parts = [{"alg": "none"}, {"sub": "odds", "iat": now, "exp": now + 3600}]
        token = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
            for part in parts
        )
        answer = json.dumps({"access_token": f"{token}.", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def test_a_token_is_asked_for_with_the_secret_of_the_client(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(SECRETS, str(tmp_path))
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "client").write_text("s3cret")
    with HTTPServer(("127.0.0.1", 0), TokenEndpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        security = {
            "protocol": "sasl_ssl", "mechanism": "OAUTHBEARER", "username": "odds",
            "password": "{secret: kafka#client}", "scope": "kafka.read",
            "token_url": f"http://127.0.0.1:{server.server_port}/token",
        }  # fmt: skip
        with pytest.raises(UsageError, match="needs `token_url`"):
            login_settings({**security, "token_url": None})
        settings = {**login_settings(security), "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
        client = AdminClient(settings)
        until = time.monotonic() + 15
        while not TokenEndpoint.asked and time.monotonic() < until:
            client.poll(0.1)
        server.shutdown()
    authorization, body = TokenEndpoint.asked[0]
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"odds:s3cret"
    assert "grant_type=client_credentials" in body
    assert "scope=kafka.read" in body


def test_a_cluster_may_have_an_authority_of_its_own() -> None:
    found = login_settings({"protocol": "ssl", "ca": "/etc/ssl/kafka.pem"})
    assert found == {"security.protocol": "ssl", "ssl.ca.location": "/etc/ssl/kafka.pem"}

"""How a cluster is reached: addresses, login, and topics that are made where they are missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from oddspipe.core.adapters.kafka.msk_iam import IamTokens, signer
from oddspipe.core.adapters.secrets import secret
from oddspipe.core.errors import RunError, UsageError
from oddspipe.core.plan.model import Plan

ANSWER_S: Final = 8.0
"""Longest wait for an answer about topics."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as an environment describes it.

    Attributes:
        brokers: Bootstrap servers.
        replication: Copies of the partitions that are made.
        login: librdkafka's settings of the connection; they hold secrets and are never shown.
    """

    brokers: str
    replication: int = 1
    login: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def settings(self) -> dict[str, Any]:
        """Return what every client of the cluster needs."""
        # What goes wrong is told by errors; librdkafka's own lines would tear the screen.
        quiet = {"log_level": 2}
        # The default waits up to 10 s before it tries a broker again that has been away.
        quick = {"reconnect.backoff.max.ms": 1_000}
        return {"bootstrap.servers": self.brokers, **quiet, **quick, **self.login}


def cluster_of(plan: Plan) -> Cluster:
    """Return the cluster that the feed, and all that is made of it, lies on.

    Raises:
        UsageError: The environment names none, or the feed lies on another: a transaction cannot
            reach over two.
        RunError: A secret cannot be read.
    """
    values = plan.deployment.values
    place, feed = values.get("kafka") or {}, plan.feed.options
    external = feed.get("brokers")
    brokers = place.get("brokers") or external
    if not brokers:
        raise UsageError(
            f"environment {plan.deployment.environment!r} does not say where Kafka is",
            hint="Give it `kafka: {brokers: …}` in platform.yaml, or name another with --env.",
        )
    if external and brokers != external:
        raise UsageError(
            f"{plan.sport}: the feed lies on {external}, what is made of it on {brokers}",
            hint="A transaction cannot reach over two clusters: mirror the feed's topic first.",
        )
    security = feed.get("security") or place.get("security")
    return Cluster(str(brokers), int(place.get("replication") or 1), login_settings(security or {}))


def login_settings(security: Mapping[str, Any]) -> dict[str, Any]:
    """Return librdkafka's settings for what `security` says.

    >>> login_settings({"protocol": "ssl"})
    {'security.protocol': 'ssl'}

    Raises:
        UsageError: The mechanism needs what is not given, or is not supported.
        PluginError: What it needs is not installed.
        RunError: The password cannot be read.
    """
    if not security:
        return {}
    protocol, mechanism = str(security["protocol"]), security.get("mechanism")
    made: dict[str, Any] = {"security.protocol": protocol}
    if security.get("ca"):
        made["ssl.ca.location"] = str(security["ca"])
    if protocol != "sasl_ssl":
        return made
    if mechanism == "AWS_MSK_IAM":
        return {**made, **_iam_settings(security)}
    if mechanism not in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}:
        raise UsageError(
            f"kafka: mechanism {mechanism or 'none'} is not supported",
            hint="Use SCRAM-SHA-512, SCRAM-SHA-256, PLAIN, OAUTHBEARER or AWS_MSK_IAM.",
        )
    name, password = security.get("username"), security.get("password")
    if not (name and password):
        raise UsageError(f"kafka: {mechanism} needs `username` and `password`")
    word = secret(str(password))
    if mechanism == "OAUTHBEARER":
        return {**made, **_token_settings(security, str(name), word)}
    return {
        **made,
        "sasl.mechanism": str(mechanism),
        "sasl.username": str(name),
        "sasl.password": word,
    }


def _iam_settings(security: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of tokens that are signed by an IAM role, here."""
    if not security.get("region"):
        raise UsageError("kafka: AWS_MSK_IAM needs `region`")
    return {
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": IamTokens(str(security["region"]), signer()).checked(),
    }


def _token_settings(security: Mapping[str, Any], name: str, word: str) -> dict[str, str]:
    """Return the settings of tokens by client credentials; librdkafka gets and renews them."""
    if not security.get("token_url"):
        raise UsageError("kafka: OAUTHBEARER needs `token_url`")
    made = {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": name,
        "sasl.oauthbearer.client.secret": word,
        "sasl.oauthbearer.token.endpoint.url": str(security["token_url"]),
    }
    if security.get("scope"):
        made["sasl.oauthbearer.scope"] = str(security["scope"])
    return made


def make_topics(
    cluster: Cluster, wanted: Mapping[str, Mapping[str, str]], partitions: int
) -> list[str]:
    """Make topics that are missing, with their settings; return the names of those made.

    Raises:
        RunError: The cluster does not answer or refuses, or a topic has other partitions.
    """
    client = AdminClient({**cluster.settings(), "client.id": "oddspipe.topics"})
    there = _there(client, cluster)
    for name in wanted:
        if name in there and there[name] != partitions:
            raise RunError(
                f"kafka: {name} has {there[name]} partitions, not {partitions}",
                hint="All topics of a sport have as many: `partitions` of the environment or feed.",
            )
    missing = [name for name in wanted if name not in there]
    asked = [
        NewTopic(name, partitions, cluster.replication, config=dict(wanted[name]))
        for name in missing
    ]
    for name, made in (client.create_topics(asked) if asked else {}).items():
        try:
            made.result(ANSWER_S)
        except KafkaException as error:
            # Another worker may have been quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RunError(f"kafka: {name} cannot be made: {error.args[0].str()}") from error
    return missing


def _there(client: AdminClient, cluster: Cluster) -> dict[str, int]:
    """Return the topics that there are, with their partitions."""
    try:
        topics = client.list_topics(timeout=ANSWER_S).topics
    except KafkaException as error:
        raise RunError(
            f"kafka: nothing answers at {cluster.brokers}: {error.args[0].str()}",
            hint="See that the brokers run: oddspipe services up kafka.",
        ) from error
    return {name: len(one.partitions) for name, one in topics.items()}

"""A real server loads the rendered users: each does what it must, and is refused the rest."""

import subprocess
import time
from contextlib import contextmanager

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry
from tests.integration.test_embedded_sinks import GAMES, output
from tests.plan_cases import ROOT

from oddspipe.core.adapters.redis.client import read_current
from oddspipe.core.adapters.redis.commands import current_key, memory_key
from oddspipe.core.assemble import redis_of
from oddspipe.core.errors import RunError
from oddspipe.core.infra.cache_check import acl_faults
from oddspipe.core.plan.load import plan_for
from oddspipe.core.services.process import free_port
from oddspipe.core.services.redis import program

pytestmark = pytest.mark.integration

RENDERED = ROOT / "generated/prod/redis"
SECRETS = ("mlb", "nba", "nfl", "reader", "exporter", "replica", "admin")
MINE, ITS_MEMORY = current_key("nfl", GAMES[0]), memory_key("nfl", GAMES[0])
OTHERS = current_key("nba", "BOS_NYK")
REFUSED = {
    "odds-nfl": [
        ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("DEL", MINE),
        ("HSET", OTHERS, "number", "1"), ("HGETALL", OTHERS), ("HSET", "other", "a", "1"),
        ("EVAL", "return redis.call('HGET', KEYS[1], 'number')", "1", MINE),
        ("SCRIPT", "FLUSH"), ("ACL", "LIST"), ("SHUTDOWN",), ("PUBLISH", "all", "x"), ("INFO",),
    ],
    "odds-reader": [
        ("HSET", MINE, "number", "1"), ("HGETALL", ITS_MEMORY), ("PEXPIRE", MINE, "1"),
        ("DEL", MINE), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("INFO",),
    ],
    "odds-exporter": [
        ("HGETALL", MINE), ("SCAN", "0"), ("CONFIG", "GET", "maxmemory"), ("FLUSHALL",),
        ("CLIENT", "LIST"), ("SLOWLOG", "RESET"),
    ],
    "odds-replica": [("HGETALL", MINE), ("FLUSHALL",), ("CONFIG", "GET", "*")],
}  # fmt: skip


@contextmanager
def served(folder, port, acl):
    """Run a server with the rendered settings and these users; yield its port."""
    (folder / "users.acl").write_text(acl)
    settings = (RENDERED / "valkey.conf").read_text()
    assert "aclfile /etc/valkey/users.acl\n" in settings
    settings = settings.replace("/etc/valkey/users.acl", str(folder / "users.acl"))
    (folder / "valkey.conf").write_text(settings)
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with subprocess.Popen(
        [program(), folder / "valkey.conf", *words], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert any("Ready to accept" in line for line in server.stdout)
            yield port
        finally:
            server.kill()


def refused(port, **login):
    """Check that a server does not let one in."""
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=port, retry=Retry(NoBackoff(), 0), **login).ping()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    for name in SECRETS:
        (folder / "redis" / name).mkdir(parents=True)
        (folder / "redis" / name / "password").write_text(f"/&'{name}\\1 word\n")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, secrets):
    acl = subprocess.run(
        [RENDERED / "passwords.sh"], env={"SECRETS": str(secrets), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    with served(tmp_path_factory.mktemp("valkey"), free_port(), acl.stdout) as port:
        yield port


@pytest.fixture
def client(server, secrets):
    made = []

    def of(user):
        word = (secrets / "redis" / user.removeprefix("odds-") / "password").read_text()
        made.append(redis.Redis(port=server, username=user, password=word.rstrip("\n")))
        return made[-1]

    yield of
    for one in made:
        one.close()


@pytest.fixture
def sink(server, secrets, monkeypatch):
    """Return the sink of the plan of prod, as a pod makes it."""
    monkeypatch.setenv("ODDSPIPE_SECRETS", str(secrets))
    where = {"ODDSPIPE_REDIS": f"redis://127.0.0.1:{server}/0"}
    plan = plan_for("nfl", platform=ROOT / "platform.yaml", environment="prod", environ=where)
    made = redis_of(plan, next(one for one in plan.sinks if one.kind == "redis"), secrets)
    yield made
    made.close()


def test_a_sink_writes_as_the_user_of_its_sport_and_the_site_reads(sink, client):
    sink.open()
    sink.write_many([output(0, 20)])
    sink.close()
    sink.open()  # takes up what is remembered
    sink.write_many([output(20, 40)])
    sink.refresh()

    seen = read_current(client("odds-reader"), "nfl")

    assert {game: int(fields["sequence"]) for game, fields in seen.items()} == dict.fromkeys(
        GAMES, 20
    )
    assert client("odds-admin").acl_log() == []


@pytest.mark.parametrize("user", REFUSED)
def test_what_a_user_need_not_do_is_refused(user, client):
    mine = client(user)
    for words in REFUSED[user]:
        with pytest.raises(NoPermissionError):
            mine.execute_command(*words)
    if user == "odds-nfl":
        with pytest.raises(redis.ResponseError, match="permission"):
            mine.register_script("return redis.call('HSET', KEYS[1], 'a', '1')")(keys=[OTHERS])


def test_nobody_comes_in_without_a_name_or_with_another_password(server, client):
    refused(server)
    refused(server, username="odds-nfl", password="guess")  # noqa: S106 - of nobody
    assert client("odds-admin").config_get("maxmemory-policy") == {
        "maxmemory-policy": "volatile-ttl"
    }


def test_a_copy_follows_and_the_exporter_measures(server, secrets, client, tmp_path):
    word = (secrets / "redis/replica/password").read_text().rstrip("\n")
    replica = free_port()
    with served(tmp_path, replica, "user default on nopass ~* &* +@all\n"):
        copy = redis.Redis(port=replica)
        copy.config_set("masteruser", "odds-replica")
        copy.config_set("masterauth", word)
        copy.replicaof("127.0.0.1", server)
        exporter = client("odds-exporter")
        deadline = time.monotonic() + 30
        while exporter.info("replication").get("slave0", {}).get("state") != "online":
            assert time.monotonic() < deadline, copy.info("replication")
        copy.close()
    exporter.slowlog_len()
    exporter.latency_latest()


def test_before_passwords_are_put_in_nobody_comes_in(tmp_path):
    assert acl_faults(RENDERED / "users.acl") == []
    with served(tmp_path, free_port(), (RENDERED / "users.acl").read_text()) as port:
        for user in ("odds-nfl", "odds-admin"):
            refused(port, username=user, password="")
    (tmp_path / "redis").mkdir()
    missing = subprocess.run(
        [RENDERED / "passwords.sh"], env={"SECRETS": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert missing.returncode == 1
    assert "redis/mlb/password: no password" in missing.stderr


def test_an_environment_without_logins_lets_the_pipeline_in_and_nothing_else(tmp_path):
    acl = (ROOT / "generated/dev/redis/users.acl").read_text()
    with served(tmp_path, free_port(), acl) as port:
        plan = plan_for(
            "nba", platform=ROOT / "platform.yaml", environment="dev",
            environ={"ODDSPIPE_REDIS": f"redis://127.0.0.1:{port}/0"},
        )  # fmt: skip
        sink = redis_of(plan, next(one for one in plan.sinks if one.kind == "redis"), tmp_path)
        sink.open()
        sink.write(output(0, 20))
        sink.close()
        with pytest.raises(NoPermissionError):
            redis.Redis(port=port).flushall()


def test_a_login_of_another_sport_cannot_be_used(sink, client):
    """A pod of NFL with the name of NBA's user comes in as it, and writes nothing of its own."""
    other = client("odds-nba")
    with pytest.raises(NoPermissionError):
        other.hset(MINE, "number", "1")
    sink._url = sink._url.replace("odds-nfl", "odds-nobody")
    with pytest.raises(RunError, match="nothing usable answers"):
        sink.open()

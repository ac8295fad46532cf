"""What mends a deployment: which pods are stuck, and that no job asks for more than it may."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from tests.plan_cases import ROOT

from oddspipe.core.errors import RunError, UnreachableError, UsageError
from oddspipe.core.infra import verify
from oddspipe.core.remedies.cluster import Cluster, own_cluster
from oddspipe.core.remedies.slots import free_slots, stuck

NOW = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
LABELS = {"oddspipe.io/sport": "nfl", "app.kubernetes.io/name": "oddspipe"}


def pod(name, ends=None):
    return {"metadata": {"name": name} | ({"deletionTimestamp": ends} if ends else {})}


PODS = [
    pod("nfl-price-0"),
    pod("nfl-price-1", "2026-12-01T19:50:00Z"),
    pod("nfl-price-2", "2026-12-01T19:59:30Z"),
]


class Api(BaseHTTPRequestHandler):
    """Kubernetes' API as far as remedies ask for it, by its documented paths."""

    def do_GET(self):
        self.server.asked.append(("GET", self.path))
        if self.path.endswith("/scale"):
            self._answer(200, {"spec": {"replicas": self.server.replicas}})
        else:
            self._answer(200, {"items": self.server.pods})

    def do_DELETE(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["gracePeriodSeconds"] == 0
        self.server.asked.append(("DELETE", self.path))
        self._answer(self.server.status, {"status": "x"})

    def do_PATCH(self):
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(("PATCH", self.path))
        self.server.replicas = body["spec"]["replicas"]
        self._answer(200, {})

    def _answer(self, status, document):
        assert self.headers["Authorization"] == "Bearer token"
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def api():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.asked, server.pods, server.status, server.replicas = [], PODS, 200, 1
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def cluster_of(api):
    return Cluster(f"http://127.0.0.1:{api.server_port}", "token", "odds-nfl")


def test_a_pod_is_stuck_when_it_should_have_been_gone_for_long():
    assert stuck(PODS, NOW, timedelta(minutes=2)) == ["nfl-price-1"]
    assert stuck(PODS, NOW, timedelta(seconds=10)) == ["nfl-price-1", "nfl-price-2"]
    assert stuck(PODS, NOW, timedelta(hours=1)) == []


def test_slots_are_freed_and_named(api):
    after = timedelta(minutes=2)
    assert free_slots(cluster_of(api), LABELS, NOW, after, dry=True) == ["nfl-price-1"]
    assert [method for method, _ in api.asked] == ["GET"]
    assert free_slots(cluster_of(api), LABELS, NOW, after, dry=False) == ["nfl-price-1"]
    assert api.asked[-1] == ("DELETE", "/api/v1/namespaces/odds-nfl/pods/nfl-price-1")
    api.status = 404  # gone meanwhile
    assert free_slots(cluster_of(api), LABELS, NOW, after, dry=False) == ["nfl-price-1"]
    api.status = 403
    with pytest.raises(RunError, match=r"refuses DELETE .* 403"):
        free_slots(cluster_of(api), LABELS, NOW, after, dry=False)


def test_a_cluster_that_does_not_answer_may_answer_later():
    with pytest.raises(UnreachableError, match="does not answer"):
        Cluster("http://127.0.0.1:9", "token", "odds-nfl").pods(LABELS)


def test_a_process_outside_of_a_cluster_is_told_so(tmp_path):
    with pytest.raises(UsageError, match="runs in no pod"):
        own_cluster({}, tmp_path)
    (tmp_path / "token").write_text("token\n")
    (tmp_path / "namespace").write_text("odds-nfl")
    with pytest.raises(UsageError, match="runs in no pod"):
        own_cluster({}, tmp_path)
    made = own_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert (made.url, made.token, made.namespace) == ("https://[fd00::1]:443", "token", "odds-nfl")


def rendered(tmp_path, sport):
    module = pytest.importorskip(
        "helm_python", reason="helm-python-sdk comes with the development extra"
    )
    folder = ROOT / "generated" / "prod"
    values = yaml.safe_load((folder / f"helm/values-{sport}.yaml").read_text())
    root = verify.lay_down(folder, tmp_path, {**values, "image": verify.IMAGE})
    return verify.render(root, sport, module)


def allowed(role, method, path):
    """Say whether a role lets its holder make a call."""
    core = path.partition("?")[0]
    parts = core.strip("/").split("/")
    group, at = ("", 4) if parts[0] == "api" else (parts[1], 5)
    kind, *named = parts[at:]
    name, *below = [*named, *[""] * (not named)]
    resource = "/".join([kind, *below])
    verbs = {"GET": "get" if name else "list", "DELETE": "delete", "PATCH": "patch"}
    return any(
        group in rule["apiGroups"] and resource in rule["resources"]
        and verbs[method] in rule["verbs"]
        and name in rule.get("resourceNames", [name])
        for rule in role["rules"]
    )  # fmt: skip


def test_each_job_may_do_what_it_asks_for_and_nothing_else(api, tmp_path):
    objects = rendered(tmp_path, "nfl")
    roles = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Role"}
    jobs = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "CronJob"}
    assert set(jobs) == {"nfl-free-slots", "nfl-rebuild-cache"}
    cluster = cluster_of(api)
    free_slots(cluster, LABELS, NOW, timedelta(minutes=2), dry=False)
    asked = {"nfl-free-slots": list(api.asked)}
    api.asked.clear()
    before = cluster.size("nfl-publish")
    cluster.resize("nfl-publish", before)
    asked["nfl-rebuild-cache"] = list(api.asked)
    for name, calls in asked.items():
        assert calls
        for method, path in calls:
            assert allowed(roles[name], method, path), (name, method, path)
        for other, others in asked.items():
            if other != name:
                assert not any(allowed(roles[name], *call) for call in others)
    # What stops something waits for a person.
    assert jobs["nfl-free-slots"]["suspend"] is False
    assert jobs["nfl-rebuild-cache"]["suspend"] is True
    for name, job in jobs.items():
        pod_spec = job["jobTemplate"]["spec"]["template"]["spec"]
        assert pod_spec["serviceAccountName"] == name
        assert job["concurrencyPolicy"] == "Forbid"


def test_a_job_is_a_command_that_there_is(tmp_path):
    from tests.replay_cases import oddspipe  # noqa: PLC0415 - starts processes

    for sport in ("nfl", "nba", "mlb"):
        values = yaml.safe_load((ROOT / f"generated/prod/helm/values-{sport}.yaml").read_text())
        for one in values["remedies"].values():
            args = [
                word.replace("/etc/oddspipe/platform.yaml", str(ROOT / "platform.yaml"))
                .replace("/etc/oddspipe/sports", str(ROOT / "sports"))
                for word in one["args"]
            ]  # fmt: skip
            done = oddspipe(*args, folder=tmp_path)
            # All words are known: what is missing is the cluster.
            assert done.returncode == 2
            assert "runs in no pod" in done.stderr

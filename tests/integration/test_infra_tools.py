"""What is rendered, read by the tools that will read it."""

import json
import re
import shutil
import subprocess
import time

import pytest
import yaml
from docs.make import sample
from tests.plan_cases import ROOT
from tests.replay_cases import oddspipe

from oddspipe.core.adapters.clickhouse.history import ClickHouseHistory
from oddspipe.core.adapters.clickhouse.rows import odds_history
from oddspipe.core.adapters.clickhouse.server import Place
from oddspipe.core.infra import linters, verify
from oddspipe.core.infra.clickhouse import sport_statements
from oddspipe.core.infra.custom import custom_faults
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.services import clickhouse, process

pytestmark = pytest.mark.integration

GENERATED = ROOT / "generated"
ENVIRONMENTS = ("dev", "staging", "prod")
SPORTS = ("mlb", "nba", "nfl")
KUBERNETES = ("1.31", "1.33", "1.35")
CUSTOM = {"keda.sh", "external-secrets.io", "monitoring.coreos.com", "argoproj.io"}


def tool(name, why):
    """Return the path of a program, or skip."""
    found = linters.program(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {why}")
    return found


def told(*words, **more):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=120, check=False,
        **more,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


# Helm and Kubernetes.


def values_of(environment, sport):
    values = yaml.safe_load((GENERATED / environment / f"helm/values-{sport}.yaml").read_text())
    return {**values, "image": verify.IMAGE}


def chart(folder, environment, values):
    """Lay down a chart with values of its own."""
    return verify.lay_down(GENERATED / environment, folder, values)


def helm():
    return pytest.importorskip(
        "helm_python", reason="helm-python-sdk comes with the development extra"
    )


def wrong(documents, version):
    """Return every fault that Kubernetes' own schemas find, and the kinds that they do not know."""
    module = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate comes with the development extra"
    )
    return verify.schema_faults(version, documents, module)


@pytest.mark.parametrize("sport", SPORTS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_chart_renders_to_what_kubernetes_takes(tmp_path, environment, sport):
    root = chart(tmp_path, environment, values_of(environment, sport))
    assert verify.lint(root, helm()) == []
    documents = verify.render(root, sport, helm())
    for version in KUBERNETES:
        faults, unknown = wrong(documents, version)
        assert faults == []
        assert unknown <= CUSTOM
    names = [(one["kind"], one["metadata"]["name"]) for one in documents]
    assert len(names) == len(set(names))
    _references_resolve(documents)


def _references_resolve(documents):
    """Check that every object which another names is there, and that selectors select."""
    there = {(one["kind"], one["metadata"]["name"]) for one in documents}
    for one in documents:
        spec = one.get("spec", {})
        if one["kind"] == "StatefulSet":
            assert ("Service", spec["serviceName"]) in there
            labels = spec["template"]["metadata"]["labels"]
            assert spec["selector"]["matchLabels"].items() <= labels.items()
            claims = {c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", [])}
            _pod_resolves(spec["template"]["spec"], there, claims)
        if one["kind"] == "ScaledObject":
            assert ("StatefulSet", spec["scaleTargetRef"]["name"]) in there
            logins = [
                t["authenticationRef"]["name"] for t in spec["triggers"] if "authenticationRef" in t
            ]
            assert {("TriggerAuthentication", name) for name in logins} <= there
            texts = [v for trigger in spec["triggers"] for v in trigger["metadata"].values()]
            assert all(isinstance(text, str) for text in texts)
        if one["kind"] == "CronJob":
            _pod_resolves(spec["jobTemplate"]["spec"]["template"]["spec"], there, set())
        if one["kind"] in {"RoleBinding", "Role"}:
            _rights_resolve(one, there)


def _rights_resolve(one, there):
    if one["kind"] == "RoleBinding":
        assert ("Role", one["roleRef"]["name"]) in there
    for who in one.get("subjects", []):
        assert who["kind"] == "Group" or ("ServiceAccount", who["name"]) in there
    for rule in one.get("rules", []):
        if rule["resources"] == ["statefulsets/scale"]:
            assert {("StatefulSet", name) for name in rule["resourceNames"]} <= there


def _pod_resolves(pod, there, claims):
    assert ("ServiceAccount", pod["serviceAccountName"]) in there
    (container,) = pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]} | claims
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    for volume in pod["volumes"]:
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in there
        if "secret" in volume:
            assert ("ExternalSecret", volume["secret"]["secretName"]) in there


def test_the_digest_in_the_labels_is_that_of_the_plan():
    for environment in ENVIRONMENTS:
        manifest = json.loads((GENERATED / environment / "MANIFEST.json").read_text())
        for sport in SPORTS:
            wanted = manifest["sports"][sport]["deployment"]
            assert values_of(environment, sport)["digests"]["deployment"] == wanted
            board = json.loads((GENERATED / environment / f"grafana/{sport}.json").read_text())
            assert wanted[:16] in board["tags"]


def changed(values, path, value):
    """Return values with one field changed; None removes it."""
    made = json.loads(json.dumps(values))
    *parents, leaf = path.split(".")
    at = made
    for parent in parents:
        at = at[int(parent)] if parent.isdigit() else at[parent]
    if value is None:
        del at[leaf]
    else:
        at[int(leaf) if leaf.isdigit() else leaf] = value
    return made


BREAKAGES = [
    ("image.digest", "latest"), ("image.digest", "sha256:abc"), ("image.digest", ""),
    ("image.repository", ""), ("image.repository", "Registry/Odds"), ("image", None),
    ("sport", "NFL"), ("sport", ""), ("sport", None), ("environment", "Prod"),
    ("environment", None), ("team", ""), ("team", None), ("digests.logic", "abc"),
    ("digests.deployment", None), ("digests.deployment", "g" * 64), ("digests.more", "x"),
    ("port", 80), ("port", "9464"), ("port", 70000), ("port", None), ("network", "everywhere"),
    ("network", None), ("egressPorts", []), ("egressPorts", [0]), ("egressPorts", [9096, 9096]),
    ("egressPorts", ["9096"]), ("egressPorts", None), ("monitoringNamespace", ""),
    ("prometheusRelease", ""), ("prometheusRelease", None), ("priorityClass", ""),
    ("secretStore", ""), ("secretStore", None), ("variables", []), ("variables", {"A": 1}),
    ("variables", None), ("secrets.0.name", "Kafka_Secret"), ("secrets.0.keys", []),
    ("secrets.0.path", ""), ("secrets.0.path", None), ("secrets.0.more", "x"), ("secrets", None),
    ("scalerLogin.secret", ""), ("scalerLogin.more", "x"), ("workers", {}), ("workers.price", None),
    ("workers.other", {}), ("workers.price.least", 0), ("workers.price.least", "2"),
    ("workers.price.most", -1), ("workers.price.idle", 0), ("workers.price.idle", None),
    ("workers.price.rest", -1), ("workers.price.rest", None),
    ("workers.price.scaled", "yes"), ("workers.price.cpu", "1"), ("workers.price.cpu", 1),
    ("workers.price.memory", "1Gi"), ("workers.price.memory", None),
    ("workers.price.graceSeconds", 5), ("workers.price.graceSeconds", None),
    ("workers.price.storage", "10GB"), ("workers.price.args", []), ("workers.price.args", "run"),
    ("workers.price.args", None), ("workers.price.replicas", 2),
    ("workers.price.triggers.0.type", "cpu"), ("workers.price.triggers.0.name", None),
    ("workers.price.triggers.0.metadata.desiredReplicas", 2),
    ("workers.price.triggers.0.metadata", None), ("workers.price.triggers.0.metdata", {}),
    ("workers.price.triggers.last.authenticationRef", {}), ("workers.price.triggers", None),
    ("workers.price.triggers.last.metadata.lagThreshold", 5),
    ("workers.price.triggers.last.type", "prometheuss"),
    ("remedies", {}), ("remedies.free-slots", None), ("remedies.free-slots.suspend", "no"),
    ("remedies.free-slots.schedule", "often"), ("remedies.free-slots.schedule", None),
    ("remedies.free-slots.args", []), ("remedies.free-slots.args", ["run", "price"]),
    ("remedies.free-slots.more", 1), ("remedies.rebuild-cache.scales", "NFL publish"),
    ("remedies.rebuild-cache.scales", None), ("remedies.delete-everything", {}),
    ("files", []), ("files.0.key", ""), ("files.0.text", ""), ("files.0.path", None),
    ("files", None), ("rules", []), ("rules", ["x"]), ("rules", None), ("replicaCount", 3),
]  # fmt: skip


def test_a_field_that_is_wrong_is_refused(tmp_path):
    sound = values_of("prod", "nfl")
    # Triggers for the windows of the season, one for the states of games, and one for lag.
    triggers = sound["workers"]["price"]["triggers"]
    assert [one["type"] for one in triggers[-3:]] == ["cron", "prometheus", "kafka"]
    taken = []
    for number, (path, value) in enumerate(BREAKAGES):
        at = path.replace("triggers.last", f"triggers.{len(triggers) - 1}")
        root = chart(tmp_path / str(number), "prod", changed(sound, at, value))
        if verify.lint(root, helm()) == []:
            taken.append((path, value))
        shutil.rmtree(root)
    assert taken == []
    assert len(BREAKAGES) >= 80


# Prometheus, Alertmanager, Grafana.


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_rules_are_taken_and_each_alert_fires_where_it_must_only(environment):
    promtool = tool("promtool", "it is in Debian's prometheus")
    for sport in (*SPORTS, "platform"):
        folder = GENERATED / environment / "prometheus"
        code, words = told(promtool, "check", "rules", folder / f"{sport}.rules.yaml")
        assert code == 0, words
        code, words = told(promtool, "test", "rules", folder / f"{sport}.test.yaml")
        assert code == 0, words
        rules = yaml.safe_load((folder / f"{sport}.rules.yaml").read_text())
        tests = yaml.safe_load((folder / f"{sport}.test.yaml").read_text())
        alerts = {r["alert"] for g in rules["groups"] for r in g["rules"] if "alert" in r}
        tested = [t["alert_rule_test"][0] for t in tests["tests"]]
        assert {one["alertname"] for one in tested if one["exp_alerts"]} == alerts
        assert {one["alertname"] for one in tested if not one["exp_alerts"]} == alerts


@pytest.mark.parametrize("of", ["nba", "platform"])
def test_a_rule_that_is_turned_round_fails_its_test(tmp_path, of):
    promtool = tool("promtool", "it is in Debian's prometheus")
    folder = GENERATED / "prod" / "prometheus"
    text = (folder / f"{of}.rules.yaml").read_text()
    shutil.copy(folder / f"{of}.test.yaml", tmp_path)
    missed = []
    exprs = re.findall(r"^ *expr: (.*)$", text, re.MULTILINE)
    for number, expr in enumerate(exprs):
        turned = expr.replace(" > ", " < ", 1) if " > " in expr else expr.replace("== 0", "== 1", 1)
        if turned == expr:
            turned = expr.replace("absent(", "count(", 1).replace(" < ", " > ", 1)
        assert turned != expr
        (tmp_path / f"{of}.rules.yaml").write_text(
            text.replace(f"expr: {expr}\n", f"expr: {turned}\n", 1)
        )
        code, _ = told(promtool, "test", "rules", tmp_path / f"{of}.test.yaml")
        if code == 0:
            missed.append((number, expr))
    assert missed == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_alerts_reach_who_owns_the_sport(environment):
    amtool = tool("amtool", "it is in Debian's prometheus-alertmanager")
    file = GENERATED / environment / "alertmanager" / "alertmanager.yaml"
    code, words = told(amtool, "check-config", file)
    assert code == 0, words
    for sport, severity, wanted in (
        ("nfl", "page", "nfl-primary"),
        ("nba", "ticket", "odds-nba"),
        ("other", "page", "platform-primary"),
        ("", "ticket", "odds-platform"),
        ("", "page", "platform-primary"),
        ("nfl", "page notice=partners", "partner-acme,partner-bluebook,nfl-primary"),
        ("nba", "page notice=partners", "partner-acme,nba-primary"),
        ("", "ticket recovery=true", "odds-platform-recovery,odds-platform"),
    ):
        labels = f"sport={sport} severity={severity}".split()
        code, words = told(
            amtool, "config", "routes", "test", f"--config.file={file}",
            f"--verify.receivers={wanted}", *labels,
        )  # fmt: skip
        assert code == 0, words


def test_queries_of_dashboards_are_promql():
    parser = pytest.importorskip(
        "promql_parser", reason="promql-parser comes with the development extra"
    )
    count = 0
    for environment in ENVIRONMENTS:
        for file in (GENERATED / environment / "grafana").glob("*.json"):
            for query in verify.queries(file):
                parser.parse(query)
                count += 1
    assert count > 100


# ClickHouse, Kafka, shell.


def test_clickhouse_runs_the_tables_and_the_sink_fills_them_each_round_once(tmp_path):
    client_of = pytest.importorskip("clickhouse_connect", reason="it is in 'embedded'").get_client
    pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")
    running = clickhouse.start(tmp_path, port=process.free_port())
    try:
        client = client_of(dsn=running.endpoint)
        for sport in SPORTS:
            for one in verify.statements(GENERATED / "prod" / "clickhouse" / f"{sport}.sql"):
                if one.startswith("USE "):
                    client.database = one.removeprefix("USE ").strip()
                else:
                    client.command(one)
        made = client.query("SELECT create_table_query FROM system.tables WHERE NOT is_temporary")
        output = sample.output()
        output.odds.event_time[:] = time.time_ns() // 1000  # older rows have had their time
        store = ClickHouseHistory(Place(running.endpoint, "oddspipe"), "nfl", "plan")
        store.open()
        for token in ("one", "one", "two", "one"):
            store.write_round(output, token)
        store.close()
        rows = client.query(
            "SELECT number, game_id, odds_sequence, scope, market, side, p_fair, decimal, status "
            "FROM oddspipe.nfl_odds_history ORDER BY ALL"
        ).result_rows
        after = client.query("SELECT create_table_query FROM system.tables WHERE NOT is_temporary")
    finally:
        process.stop(tmp_path)
    wanted = odds_history(output, "plan").select(
        "number", "game_id", "odds_sequence", "scope", "market", "side", "p_fair", "decimal",
        "status",
    )  # fmt: skip
    assert sorted(map(str, rows)) == sorted([str(row) for row in wanted.iter_rows()] * 2)
    # The sink has taken the rendered tables as they are.
    assert sorted(made.result_rows) == sorted(after.result_rows)


def test_clickhouse_reads_every_statement_of_access():
    session = pytest.importorskip("chdb.session", reason="chdb is in the extra 'embedded'")
    open_one = session.Session()
    try:
        for one in verify.statements(GENERATED / "prod" / "clickhouse" / "access.sql"):
            open_one.query(verify.to_read(one))
        with pytest.raises(Exception, match=r"(?i)syntax"):
            open_one.query("SELECT formatQuerySingleLine('CREATE ROLLE x')")
    finally:
        open_one.close()


def test_every_table_of_the_sink_is_among_those_rendered():
    (fleet,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", only=["nfl"], environ={})
    made = sport_statements(fleet.members[0])
    for name in ("nfl_events", "nfl_odds_history", "nfl_odds_latest", "nfl_tracking_by_second"):
        assert any(re.match(rf"CREATE (TABLE IF NOT EXISTS|OR REPLACE VIEW) {name}\s", one)
                   for one in made)  # fmt: skip


def test_the_broker_takes_the_topics_and_their_settings(brokers):
    admin = pytest.importorskip("confluent_kafka.admin", reason="confluent-kafka is in 'kafka'")
    client = admin.AdminClient({"bootstrap.servers": brokers})
    for sport in SPORTS:
        document = yaml.safe_load((GENERATED / "dev" / "kafka" / sport / "topics.yaml").read_text())
        asked = [
            admin.NewTopic(f"rendered.{one['name']}", one["partitions"], one["replication"],
                           config=one["configs"])
            for one in document["topics"]
        ]  # fmt: skip
        for made in client.create_topics(asked, validate_only=True).values():
            made.result(20)
    bad = admin.NewTopic("rendered.bad", 1, 1, config={"cleanup.polcy": "delete"})
    with pytest.raises(Exception, match=r"cleanup\.polcy"):
        client.create_topics([bad], validate_only=True)["rendered.bad"].result(20)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_programs_are_shell(environment):
    for file in (GENERATED / environment / "kafka").rglob("*.sh"):
        code, words = told("sh", "-n", file)
        assert code == 0, words
        assert file.stat().st_mode & 0o111
        code, words = told("sh", file, env={"PATH": "/usr/bin:/bin"})
        assert code != 0
        assert re.search("bootstrap servers|folder of secrets|a job", words)


# Argo CD.


def test_applications_take_what_lies_in_the_repository():
    for environment in ENVIRONMENTS:
        folder = GENERATED / environment
        project = yaml.safe_load((folder / "argocd/project.yaml").read_text())
        apps = yaml.safe_load((folder / "argocd/applicationset.yaml").read_text())["spec"]
        source = apps["template"]["spec"]["source"]
        assert (ROOT / source["path"] / "Chart.yaml").exists()
        spaces = {one["namespace"] for one in project["spec"]["destinations"]}
        base = list(yaml.safe_load_all((folder / "kubernetes/base.yaml").read_text()))
        made = {one["metadata"]["name"] for one in base if one["kind"] == "Namespace"}
        assert spaces == made
        allowed = {(k["group"], k["kind"]) for k in project["spec"]["namespaceResourceWhitelist"]}
        for element in apps["generators"][0]["list"]["elements"]:
            assert element["namespace"] in spaces
            values = source["helm"]["valueFiles"][0].replace("{{ .sport }}", element["sport"])
            assert (ROOT / source["path"] / values).resolve().exists()
        for version in KUBERNETES:
            assert wrong(base, version)[0] == []
        kinds = {
            tuple(re.search(r"apiVersion: (\S+)\nkind: (\S+)", part).groups())
            for file in (folder / "helm/oddspipe/templates").glob("*.yaml")
            for part in file.read_text().split("\n---\n") if "kind:" in part
        }  # fmt: skip
        assert {(api.rpartition("/")[0], kind) for api, kind in kinds} == allowed


# Custom resources.

TRIGGER = "spec.triggers.0"
SPOILT = [
    ("ScaledObject", "spec.pollIntervall", 5), ("ScaledObject", "spec.pollingInterval", "5"),
    ("ScaledObject", "spec.scaleTargetRef.nam", "x"), ("ScaledObject", "spec.scaleTargetRef", None),
    ("ScaledObject", "spec.triggers", None), ("ScaledObject", f"{TRIGGER}.type", None),
    ("ScaledObject", f"{TRIGGER}.metadata.desiredReplicas", 2),
    ("ScaledObject", f"{TRIGGER}.metadata", None), ("ScaledObject", f"{TRIGGER}.metadta", {}),
    ("ScaledObject", "spec.maxReplicaCount", "8"), ("ScaledObject", "spec.minReplicas", 1),
    ("ScaledObject", "spec.fallback.behavior", "stay"),
    ("ScaledObject", "spec.fallback.failureThreshold", None),
    ("ScaledObject", "apiVersion", "keda.sh/v1"), ("ScaledObject", "kind", "ScaledObjekt"),
    ("TriggerAuthentication", "spec.secretTargetRef.0.parameter", None),
    ("TriggerAuthentication", "spec.secretTargetRef.0.secret", "x"),
    ("TriggerAuthentication", "spec.secretTargetRefs", []),
    ("ExternalSecret", "spec.refreshIntervall", "1h"), ("ExternalSecret", "spec.data", {}),
    ("ExternalSecret", "spec.secretStoreRef.kind", "Store"),
    ("ExternalSecret", "spec.data.0.remoteRef.key", None),
    ("PodMonitor", "spec.selector", None), ("PodMonitor", "spec.podMetricsEndpoint", []),
    ("PodMonitor", "spec.podMetricsEndpoints.0.interval", "10 s"),
    ("PrometheusRule", "spec.groups.0.name", None), ("PrometheusRule", "spec.groups.0.rule", []),
    ("PrometheusRule", "spec.groups.0.interval", "often"),
    ("PrometheusRule", "spec.groups.0.rules.0.expr", None),
    ("AppProject", "spec.sourceRepos", "*"), ("AppProject", "spec.syncWindow", []),
    ("AppProject", "spec.syncWindows.0.manualSync", "yes"),
    ("AppProject", "spec.namespaceResourceWhitelist.0.kind", None),
    ("ApplicationSet", "spec.generators", None), ("ApplicationSet", "spec.goTemplates", True),
    ("ApplicationSet", "spec.generators.0.lists", {}),
    ("ApplicationSet", "spec.template.spec.project", None),
    ("ApplicationSet", "spec.template.spec.source.repoURL", None),
    ("ApplicationSet", "spec.template.spec.syncPolicy.syncOption", []),
    ("ApplicationSet", "spec.template.spec.syncPolicy.retry.limit", "3"),
    ("ApplicationSet", "spec.template.metadata.labels", ["a"]),
]  # fmt: skip
"""Kind, field, and what stands there instead; None for nothing."""


def test_custom_resources_are_what_their_projects_take(tmp_path):
    module = pytest.importorskip("jsonschema", reason="jsonschema is in the extra 'dev'")
    objects = [
        *verify.render(chart(tmp_path, "prod", values_of("prod", "nfl")), "nfl", helm()),
        *(one for file in sorted((GENERATED / "prod/argocd").glob("*.yaml"))
          for one in yaml.safe_load_all(file.read_text())),
    ]  # fmt: skip
    assert custom_faults(objects, module) == []
    of_kind = {one["kind"]: one for one in objects if one["apiVersion"].split("/")[0] in CUSTOM}
    assert {kind for kind, _, _ in SPOILT} == set(of_kind)
    taken = [
        (kind, path)
        for kind, path, value in SPOILT
        if not custom_faults([changed(of_kind[kind], path, value)], module)
    ]
    assert taken == []
    assert len(SPOILT) >= 40


DAMAGE = [
    ("argocd/project.yaml", "syncWindows:", "syncWindow:"),
    ("kubernetes/base.yaml", "globalDefault: false", "globalDefault: never"),
    ("helm/values-nfl.yaml", "port: 9464", "port: ninety"),
    ("prometheus/nba.rules.yaml", "absent(", "abscent("),
    ("alertmanager/alertmanager.yaml", "receiver: nfl-primary", "receiver: nobody"),
    ("grafana/mlb.json", "sum (oddspipe_live_games", "sum ((oddspipe_live_games"),
    ("clickhouse/nfl.sql", "ENGINE = MergeTree", "ENGINE = MergTree"),
    ("grafana/nfl.json", "oddspipe_boards_total", "oddspipe_board_total"),
    ("redis/users.acl", "+ping", "+pong"),
    ("kafka/nba/apply.sh", "set -eu", "if set -eu"),
    ("runbooks/mlb/OddspipeDown.md", "```sh\n", "```sh\ncd $HOME/odds pipe\n"),
    ("docker/Dockerfile", "USER 65532:65532\n", "USER root\nRUN cd /tmp && ls\n"),
    ("github/check.yaml", "@de0fac2e4500dabe0009e67214ff5f5447ce83dd", "@v6"),
    ("github/image.yaml", "${{ steps.which.outputs", "${{ steps.witch.outputs"),
    ("terraform/modules/clickhouse/main.tf", '"s3:GetObject"', '"s3:GetObjct"'),
    ("terraform/modules/cluster/main.tf", '"secretsmanager:GetSecretValue"', '"s3:GetObject"'),
    (
        "terraform/modules/network/main.tf",
        "enable_dns_support   = true",
        "enable_dns_support = true",
    ),
]


def test_the_command_has_everything_read_and_says_what_is_wrong(tmp_path):
    for name, whence in linters.WANTED.items():
        tool(name, whence)
    for name in ("sports", "platform.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(GENERATED / "staging", tmp_path / "generated" / "staging")
    words = ("render-infra", "--verify", "--env", "staging")
    sound = oddspipe(*words, folder=tmp_path)
    assert sound.returncode == 0, sound.stdout
    ran = re.search(r"(\d+) checks ran, 0 failed, 0 skipped", sound.stdout)
    assert int(ran[1]) >= 65

    for path, old, new in DAMAGE:
        file = tmp_path / "generated/staging" / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
    found = oddspipe(*words, "--format", "json", folder=tmp_path)
    assert found.returncode == 3
    wrong = {one["name"] for one in json.loads(found.stdout) if one["faults"]}
    assert wrong == {
        "helm lint nfl", "helm template nfl", "promtool check rules nba.rules.yaml",
        "promtool test rules nba.test.yaml", "amtool check-config alertmanager.yaml",
        "promql mlb.json", "promql nfl.json", "clickhouse tables", "sh -n apply.sh",
        "shellcheck kafka/nba/apply.sh", "valkey-server --aclfile users.acl",
        "shellcheck runbooks/mlb", "hadolint Dockerfile", "checkov dockerfile", "zizmor check.yaml",
        "actionlint image.yaml", "parliament clickhouse/backups", "parliament cluster/secrets",
        "terraform fmt", "custom resources base and Argo CD",
        *(f"kubernetes {version} base and Argo CD" for version in KUBERNETES),
    }  # fmt: skip


def test_checkov_refuses_what_is_careless_and_no_excuse_is_idle(tmp_path):
    tool("checkov", linters.WANTED["checkov"])
    folder = tmp_path / "prod"
    shutil.copytree(GENERATED / "prod", folder)
    values = values_of("prod", "nfl")
    objects = verify.render(chart(tmp_path / "chart", "prod", values), "nfl", helm())
    for number, change in enumerate((None, "privileged", "storage_encrypted")):
        if change == "privileged":
            pod = next(one for one in objects if one["kind"] == "StatefulSet")["spec"]["template"]
            pod["spec"]["containers"][0]["securityContext"]["privileged"] = True
        if change == "storage_encrypted":
            file = folder / "terraform/modules/buckets/main.tf"
            file.write_text(file.read_text().replace("block_public_policy     = true", ""))
        place = tmp_path / str(number)
        place.mkdir()
        found = {one.name: one for one in linters.policies(folder, objects, place)}
        assert set(found) == {
            "checkov terraform", "checkov dockerfile", "checkov kubernetes", "checkov excuses",
        }  # fmt: skip
        assert not any(one.skipped for one in found.values())
        wrong = {name for name, one in found.items() if one.faults}
        assert wrong == {
            None: set(), "privileged": {"checkov kubernetes"},
            "storage_encrypted": {"checkov kubernetes", "checkov terraform"},
        }[change]  # fmt: skip
    assert all(
        len(one.why) > 5 for one in (*linters.skips("checkov"), *linters.skips("parliament"))
    )


def test_a_check_whose_tool_is_missing_is_told_and_is_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr(linters, "program", lambda _name: None)
    found = list(linters.linted(GENERATED / "prod"))
    assert len(found) > 12
    assert all(one.skipped and not one.faults for one in found)
    assert "pip install zizmor" in "".join(one.skipped for one in found)
    place = tmp_path / "place"
    place.mkdir()
    assert [one.skipped != "" for one in linters.policies(GENERATED / "prod", [], place)] == [True]

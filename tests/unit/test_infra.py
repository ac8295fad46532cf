"""What is rendered of an environment: the same bytes, whole folders, and numbers that agree."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from croniter import croniter
from tests.plan_cases import ROOT
from tests.replay_cases import oddspipe

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.alerts import alerts_of
from oddspipe.core.infra.cost import costs_of
from oddspipe.core.infra.diff import changes
from oddspipe.core.infra.fleet import WORKS
from oddspipe.core.infra.helm import triggers_of, values_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.infra.render import tree_of
from oddspipe.core.infra.tree import MANIFEST, Artefact, Tree
from oddspipe.core.infra.windows import windows
from oddspipe.core.parts import Schedule
from oddspipe.core.plan.load import plan_for
from oddspipe.core.plan.season import season_of, slots
from oddspipe.core.telemetry.catalogue import METRICS

ENVIRONMENTS = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def fleets():
    """Return the fleets of the checkout, with no variable set."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        made = fleets_of((), platform=ROOT / "platform.yaml", environ={})
    finally:
        os.chdir(before)
    return {one.environment: one for one in made}


@pytest.fixture(scope="module")
def trees(fleets):
    return {name: tree_of(fleet) for name, fleet in fleets.items()}


def members(fleets):
    return [member for fleet in fleets.values() for member in fleet.members]


def test_what_is_committed_is_what_is_rendered(trees):
    for name, tree in trees.items():
        assert tree.drift(ROOT / "generated" / name).lines() == []


def test_other_processes_render_the_same_bytes(tmp_path):
    for number, environ in enumerate(({"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"},
                                      {"PYTHONHASHSEED": "7", "TZ": "America/Lima"})):  # fmt: skip
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("ODDSPIPE_", "NBA_", "MLB_"))
        }
        subprocess.run(
            [sys.executable, "-c", "from oddspipe.cli.app import main; main()", "render-infra",
             "--env", "prod", "--out", tmp_path / str(number)],
            cwd=ROOT, env={**clean, **environ}, check=True, capture_output=True,
        )  # fmt: skip
    first, second = (
        {
            p.relative_to(tmp_path / n): p.read_bytes()
            for p in (tmp_path / n).rglob("*")
            if p.is_file()
        }
        for n in ("0", "1")
    )
    assert first == second
    assert len(first) > 50


def test_environments_differ_in_sizes_only(trees, fleets):
    def shape(value):
        if isinstance(value, dict):
            return {key: shape(below) for key, below in value.items()}
        return type(value).__name__

    paths = {name: [one.path for one in tree.artefacts] for name, tree in trees.items()}
    assert paths["staging"] == paths["prod"]
    # On this machine there is no cloud to make, no other region to mirror to, and stages are
    # together: one process does all.
    others = (
        "terraform/", "github/terraform", "kafka/mirror/",
        "runbooks/platform/OddspipeMirrorBehind", "runbooks/platform/OddspipeEventsBehind",
    )  # fmt: skip
    assert [one for one in paths["prod"] if not one.startswith(others)] == paths["dev"]
    for staging, prod in zip(fleets["staging"].members, fleets["prod"].members, strict=True):
        mine, theirs = values_of(fleets["staging"], staging), values_of(fleets["prod"], prod)
        assert shape(mine) == shape(theirs)


def test_a_change_of_one_sport_changes_its_files_only(tmp_path):
    (tmp_path / "sports").mkdir()
    for sport in ("nfl", "nba"):
        (tmp_path / "sports" / f"{sport}.yaml").write_text(
            f"extends: oddspipe.sports:{sport}.yaml\n"
        )
    (tmp_path / "platform.yaml").write_bytes((ROOT / "platform.yaml").read_bytes())
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ODDSPIPE_", "NBA_", "MLB_"))}

    def rendered():
        oddspipe("render-infra", "--env", "prod", folder=tmp_path, env=clean)
        return {p.relative_to(tmp_path): p.read_bytes()
                for p in (tmp_path / "generated").rglob("*") if p.is_file()}  # fmt: skip

    before = rendered()
    spec = tmp_path / "sports" / "nfl.yaml"
    spec.write_text(spec.read_text() + "alerts: {silent_game: 45s}\nload: {peak_rate: 250000/s}\n")
    after = rendered()
    changed = {str(path) for path in before if before[path] != after[path]}
    assert {one for one in changed if "nfl" not in one} <= {
        "generated/prod/MANIFEST.json", "generated/prod/README.md",
        "generated/prod/argocd/applicationset.yaml",
        # Disks of the brokers are of all sports together; nodes stand in one list.
        "generated/prod/terraform/live/us-east-1/kafka/inputs.json",
        "generated/prod/terraform/live/us-east-1/cluster/inputs.json",
        # How far ClickHouse may be behind is told by the busiest sport.
        "generated/prod/prometheus/platform.rules.yaml",
        "generated/prod/prometheus/platform.test.yaml",
        "generated/prod/kubernetes/platform-rules.yaml",
        "generated/prod/runbooks/platform/OddspipeEventsBehind.md",
    }  # fmt: skip
    assert any("nfl.rules.yaml" in one for one in changed)


# Invariants across artefacts.


def test_topics_have_an_owner_an_acl_and_alerts(fleets, trees):
    for name, fleet in fleets.items():
        texts = trees[name].texts()
        for member in fleet.members:
            program = texts[f"kafka/{member.sport}/apply.sh"]
            for topic in member.topic_list():
                assert f"--topic {topic.name} --partitions {topic.partitions}" in program
                assert f"--operation Describe --topic {topic.name}\n" in program
                writes = f"--operation Write --topic {topic.name}\n" in program
                assert writes == (topic.writer != "provider")
                assert int(topic.configs["min.insync.replicas"]) <= topic.replication
            rules = texts[f"prometheus/{member.sport}.rules.yaml"]
            assert "OddspipeBehind" in rules
            tables = texts[f"clickhouse/{member.sport}.sql"]
            assert f"EXISTS {member.sport}_odds_history " in tables
            assert "non_replicated_deduplication_window" in tables


def test_no_scaler_asks_for_more_workers_than_have_work(fleets):
    for member in members(fleets):
        for load in member.workloads():
            useful = min(member.plan.feed.partitions, member.plan.load.games_at_once)
            assert 1 <= load.idle <= load.least <= load.most
            if load.stage in WORKS:
                assert load.most <= useful
                wanted = [
                    int(one["metadata"]["desiredReplicas"])
                    for one in triggers_of(member, load) if one["type"] == "cron"
                ]  # fmt: skip
                assert wanted
                assert load.rest <= load.idle <= min(wanted)
                assert max(wanted) <= load.most
            else:
                assert not load.scaled


def test_the_brokers_keep_the_feed_longer_than_a_snapshot_and_the_odds_longer_than_a_day(fleets):
    for member in members(fleets):
        kept = {one.name: int(one.configs.get("retention.ms", 0)) for one in member.topic_list()}
        assert kept[member.topics.feed] * 1000 > 2 * member.plan.snapshot_interval_us
        assert kept[member.topics.odds] >= 86_400_000


def test_a_port_is_the_same_in_pod_service_probe_and_scrape(fleets):
    for fleet in fleets.values():
        for member in fleet.members:
            values = values_of(fleet, member)
            for worker in values["workers"].values():
                assert f"0.0.0.0:{values['port']}" in worker["args"]


def test_names_are_short_enough(fleets):
    for member in members(fleets):
        assert len(member.namespace) <= 63
        for load in member.workloads():
            assert len(f"{member.sport}-{load.stage}-0") <= 63


def test_each_alert_has_a_runbook_and_names_metrics_that_are_declared(fleets, trees):
    declared = {metric.name for metric in METRICS}
    for name, fleet in fleets.items():
        texts = trees[name].texts()
        for member in fleet.members:
            named = set()
            for alert in alerts_of(member):
                page = texts[f"runbooks/{member.sport}/{alert.name}.md"]
                assert all(command in page for command in alert.first)
                assert len(alert.first) == 3
                named |= {alert.name}
                assert set(alert.hides) <= {one.name for one in alerts_of(member)}
                words = {word for word in _words(alert.expr) if word.startswith("oddspipe_")}
                assert words <= declared | {"oddspipe_late:bool"}
            assert len(named) == len(alerts_of(member))


def _words(text):
    word = ""
    for letter in text + " ":
        if letter.isalnum() or letter in "_:":
            word += letter
        else:
            yield word.removeprefix("sport:")
            word = ""


def test_dashboards_ask_for_metrics_that_are_declared_and_fit_the_grid(trees):
    declared = {metric.name for metric in METRICS}
    for tree in trees.values():
        for one in tree.artefacts:
            if one.kind != "grafana":
                continue
            board = json.loads(one.text)
            assert board["uid"].startswith("oddspipe-")
            places = []
            for panel in board["panels"]:
                place = panel["gridPos"]
                assert place["x"] + place["w"] <= 24
                places += [(x, y) for x in range(place["x"], place["x"] + place["w"])
                           for y in range(place["y"], place["y"] + place["h"])]  # fmt: skip
                for target in panel["targets"]:
                    words = {w for w in _words(target["expr"]) if w.startswith("oddspipe_")}
                    assert words
                    assert words <= declared
            assert len(places) == len(set(places))


def test_the_pods_run_the_deployment_that_is_rendered(fleets, tmp_path):
    fleet = fleets["prod"]
    for member in fleet.members:
        values = values_of(fleet, member)
        root = tmp_path / member.sport
        for one in values["files"]:
            file = root / one["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(one["text"])
        plan = plan_for(
            root / "sports" / f"{member.sport}.yaml", platform=root / "platform.yaml",
            environment="prod", environ=values["variables"],
        )  # fmt: skip
        assert plan.deployment_digest == values["digests"]["deployment"]
        assert plan.logic_digest == values["digests"]["logic"]


def test_a_variable_that_is_set_reaches_the_pods(monkeypatch):
    environ = {"ODDSPIPE_KAFKA": "b-1.example.net:9096", "NBA_FEED_URL": "wss://feed.example.net"}
    monkeypatch.chdir(ROOT)
    (fleet,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", only=["nba"], environ=environ)
    values = values_of(fleet, fleet.members[0])
    assert values["variables"] == environ
    lag = values["workers"]["price"]["triggers"][-1]["metadata"]
    assert lag["bootstrapServers"] == "b-1.example.net:9096"
    unset = [one.name for one in fleet.inputs if one.must_be_set]
    assert "ODDSPIPE_KAFKA" not in unset
    assert "ODDSPIPE_REDIS" in unset


def test_no_password_is_rendered(trees):
    for tree in trees.values():
        for one in tree.artefacts:
            text = one.text.replace("password: {secret:", "")
            assert "password: '" not in text
            assert "TODO" not in text


# Windows.


SEASON = ("01-01", "12-31")


def schedule(*given, hours=3, season=SEASON, zone="America/New_York"):
    made = tuple({"day": d, "kickoff": k, "games": 1} for d, k in given)
    return Schedule(zone, *season, made, hours * 3_600_000_000)


def test_windows_that_touch_are_one():
    made = windows(schedule(("sunday", "13:00"), ("sunday", "16:25")), 300_000_000)
    assert [(one.begins, one.ends) for one in made] == [("25 12 * * 0", "40 20 * * 0")]


def test_a_window_over_midnight_ends_on_the_next_day():
    (one,) = windows(schedule(("saturday", "21:00")), 300_000_000)
    assert (one.begins, one.ends) == ("25 20 * * 6", "15 1 * * 0".replace("15 1", "5 3"))


def test_nothing_begins_or_ends_while_clocks_are_changed():
    for hour in range(24):
        for one in windows(schedule(("sunday", f"{hour:02}:00")), 300_000_000):
            for line in (one.begins, one.ends):
                assert not 1 <= int(line.split()[1]) < 3


def test_the_last_night_of_a_season_is_as_any_other():
    (one,) = windows(schedule(("daily", "22:00"), season=("03-01", "09-30")), 300_000_000)
    assert one.begins.split()[3] == "3-9"
    assert one.ends.split()[3] == "3-10"


def test_every_game_lies_in_a_window(fleets):
    for member in fleets["prod"].members:
        first, last = season_of(member.plan.schedule, 2026)
        zone = ZoneInfo(member.plan.schedule.zone)
        for made, found in (
            (member.weekly_windows(), slots(member.plan.schedule, first, last)),
            (member.windows(), member.fixtures.slots(first, last)),
        ):
            for slot in list(found)[::17]:
                for hours in (-0.45, 0, 2.5):
                    at = (slot.begins.astimezone(UTC) + timedelta(hours=hours)).astimezone(zone)
                    assert opened(made, at.replace(tzinfo=None)), (member.sport, slot, hours)


def opened(made, at):
    """Return the windows that are open at a moment, as KEDA counts: the end is next to come."""
    return [
        one for one in made
        if croniter(one.begins, at).get_next(datetime) > croniter(one.ends, at).get_next(datetime)
    ]  # fmt: skip


# Folders.


def tree(*texts, environment="prod"):
    made = [Artefact(path, text, "kafka") for path, text in texts]
    return Tree.of(environment, made, {"oddspipe": "0"})


def test_a_folder_becomes_what_is_rendered_and_stays(tmp_path):
    made = tree(("a.yaml", "a: 1\n"), ("b/c.sh", "echo\n"))
    assert made.write(tmp_path).missing == ("a.yaml", "b/c.sh", MANIFEST)
    assert made.drift(tmp_path).is_none
    listed = json.loads((tmp_path / MANIFEST).read_text())
    assert [one["path"] for one in listed["files"]] == ["a.yaml", "b/c.sh"]


def test_hand_edits_stale_and_missing_files_are_told_apart(tmp_path):
    tree(("a.yaml", "a: 1\n"), ("b.yaml", "b: 1\n"), ("old/c.yaml", "c: 1\n")).write(tmp_path)
    (tmp_path / "a.yaml").write_text("a: 2\n")
    new = tree(("a.yaml", "a: 1\n"), ("b.yaml", "b: 3\n"), ("d.yaml", "d: 1\n"))
    drift = new.drift(tmp_path)
    assert drift.edited == ("a.yaml",)
    assert drift.changed == ("b.yaml", MANIFEST)
    assert drift.missing == ("d.yaml",)
    assert drift.stale == ("old/c.yaml",)
    new.write(tmp_path)
    assert new.drift(tmp_path).is_none
    assert not (tmp_path / "old").exists()


def test_what_people_put_there_is_left_alone(tmp_path):
    (tmp_path / "overrides").mkdir()
    (tmp_path / "overrides" / "image.yaml").write_text("image: {}\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    tree(("a.yaml", "a: 1\n")).write(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    outside = {"kind": "x", "sport": None, "sha256": "0"}
    manifest["files"] += [{"path": "overrides/image.yaml", **outside},
                          {"path": "../outside.txt", **outside}]  # fmt: skip
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    (tmp_path.parent / "outside.txt").write_text("stays\n")
    tree(("b.yaml", "b: 1\n")).write(tmp_path)
    assert (tmp_path / "overrides" / "image.yaml").exists()
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path.parent / "outside.txt").exists()
    assert not (tmp_path / "a.yaml").exists()


def test_a_manifest_that_is_none_is_told(tmp_path):
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(UsageError, match="is no manifest"):
        tree(("a.yaml", "a: 1\n")).drift(tmp_path)


def test_a_diff_says_in_words_what_changes(tmp_path):
    def values(most, lag):
        data = {"workers": {"price": {"most": most}}, "triggers": [{"name": "lag", "value": lag}]}
        return tree(("values-nfl.yaml", yaml.safe_dump(data)), ("run.sh", f"echo {most}\n"))

    values(48, "10").write(tmp_path)
    found = {one.path: one for one in changes(values(96, "20"), tmp_path)}
    assert found["values-nfl.yaml"].words == (
        "triggers.lag.value: 10 → 20", "workers.price.most: 48 → 96",
    )  # fmt: skip
    assert found["run.sh"].words == ()
    assert "+echo 96" in found["run.sh"].unified


def test_the_command_says_what_it_does(tmp_path):
    (tmp_path / "sports").mkdir()
    (tmp_path / "sports" / "nba.yaml").write_text("extends: oddspipe.sports:nba.yaml\n")
    assert "generated/prod" in oddspipe("render-infra", "--env", "prod", folder=tmp_path).stdout
    assert oddspipe("render-infra", "--check", "--env", "prod", folder=tmp_path).returncode == 0
    file = tmp_path / "generated/prod/helm/values-nba.yaml"
    file.write_text(file.read_text().replace("least: 2", "least: 9", 1))
    checked = oddspipe("render-infra", "--check", "--env", "prod", folder=tmp_path)
    assert checked.returncode == 3
    assert "edited by hand" in checked.stdout
    diffed = oddspipe("render-infra", "--diff", "--env", "prod", folder=tmp_path)
    assert diffed.returncode == 3
    assert "workers.normalise.least: 9 → 2" in diffed.stdout
    listed = oddspipe("render-infra", "--list", "--env", "prod", "--sport", "nba",
                      "--format", "json", folder=tmp_path)  # fmt: skip
    assert {one["sport"] for one in json.loads(listed.stdout)} == {"nba"}
    written = oddspipe("render-infra", "--env", "prod", folder=tmp_path)
    assert "was edited by hand" in written.stderr
    wrong = oddspipe("render-infra", "--env", "local", folder=tmp_path)
    assert wrong.returncode == 2
    assert "has no `infra`" in wrong.stderr


# Schedule and cost.


def test_the_schedule_shows_games_and_workers(tmp_path):
    words = ("schedule", "--sport", "nfl", "--from", "2026-11-29", "--days", "2", "--windows")
    shown = oddspipe(*words, folder=tmp_path)
    assert "Sun 2026-11-29   13:00 EST" in shown.stdout
    assert "2 workers from `55 8 * 1,2,9-12 0`" in shown.stdout
    told = json.loads(oddspipe(*words, "--format", "json", folder=tmp_path).stdout)
    assert told["games"][1] == {
        "begins": "2026-11-29T13:00:00-05:00", "at_most": 6, "every_week": True
    }  # fmt: skip
    summer = oddspipe("schedule", "--sport", "nfl", "--from", "2026-07-01", folder=tmp_path)
    assert "No game from 2026-07-01 for 7 days" in summer.stdout
    wrong = oddspipe("schedule", "--sport", "nfl", "--from", "sunday", folder=tmp_path)
    assert wrong.returncode == 2
    assert "is no day" in wrong.stderr


def test_lines_of_cost_add_up_and_follow_the_prices(fleets):
    fleet = fleets["prod"]
    prices = {"cpu_hour": 1.0, "memory_gib_hour": 0.0, "storage_gib_month": 0.0, "traffic_gib": 0.0}
    for one in costs_of(fleet, prices, 2026):
        assert one.a_month == pytest.approx(sum(line.quantity * line.price for line in one.season))
        assert one.a_year >= one.a_season
        assert one.a_game * one.games == pytest.approx(one.a_season)
        assert one.a_million * one.updates / 1e6 == pytest.approx(one.a_season)
    doubled = {name: 2 * price for name, price in prices.items()}
    for one, two in zip(costs_of(fleet, prices, 2026), costs_of(fleet, doubled, 2026), strict=True):
        assert two.a_year == pytest.approx(2 * one.a_year)


def test_games_of_a_season_are_counted_by_the_windows(fleets):
    free = {"cpu_hour": 0, "memory_gib_hour": 0, "storage_gib_month": 0, "traffic_gib": 0}
    counts = {one.sport: one.games for one in costs_of(fleets["prod"], free, 2026)}
    # 23 or 24 weeks of 13 games, 4 weeks of a London game; the real one has 272 and play-offs.
    assert 295 <= counts["nfl"] <= 320

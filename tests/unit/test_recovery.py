"""Pages and notices for bad days: what they name is there, and partners read what is theirs."""

import re
import subprocess

import pytest
import yaml
from tests.plan_cases import ROOT

from oddspipe.core.infra.alerts import alerts_of
from oddspipe.core.infra.load import fleets_of
from oddspipe.core.infra.observe import alertmanager_of
from oddspipe.core.infra.recovery import BACKUP_H, RPO_S, RTO_S, stores_of
from oddspipe.core.infra.render import tree_of
from oddspipe.core.infra.rules import groups_of
from oddspipe.core.infra.store_jobs import TIMES


@pytest.fixture(scope="module")
def fleet():
    (made,) = fleets_of(["prod"], platform=ROOT / "platform.yaml", environ={})
    return made


@pytest.fixture(scope="module")
def texts(fleet):
    return tree_of(fleet).texts()


def test_a_day_of_games_names_what_there_is(fleet, texts):
    for member in fleet.members:
        page = texts[f"runbooks/{member.sport}.md"]
        values = yaml.safe_load(texts[f"helm/values-{member.sport}.yaml"])
        assert set(re.findall(r"-n (odds-\S+)", page)) == {member.namespace}
        pods = set(re.findall(r"(?:pod|port-forward) (\S+)-0\b", page))
        assert pods <= {f"{member.release}-{one}" for one in values["workers"]}
        jobs = set(re.findall(r"--from=cronjob/(\S+)", page))
        assert jobs
        assert jobs <= {f"{member.release}-{one}" for one in values["remedies"]}
        scaled = set(re.findall(r"scaledobject (\S+)", page)) - {"-n"}
        assert scaled <= {
            f"{member.release}-{n}" for n, w in values["workers"].items() if w["scaled"]
        }
        linked = re.findall(r"\]\((\S+\.md)\)", page)
        assert len(linked) == len(alerts_of(member))
        assert all(f"runbooks/{one}" in texts for one in linked)


def test_the_plan_says_of_each_store_what_is_lost(fleet, texts):
    page = texts["recovery/plan.md"]
    names = [one.name for one in stores_of(fleet)]
    assert len(set(names)) == len(names) >= 6
    for one in stores_of(fleet):
        assert f"| {one.name} | " in page
        assert all((one.holds, one.copies, one.lost, one.back, one.how))
    assert f"within {RTO_S // 60} min (RTO)" in page
    assert f"at most {RPO_S // 60} min" in page
    # The statement is that of the jobs.
    assert f"0/{BACKUP_H}:" in TIMES["backup-more"][0]
    assert "None" not in page
    assert "no `contact`" not in page


def test_partners_are_told_of_their_sports_and_read_nothing_of_ours(fleet):
    made = alertmanager_of(fleet)
    routes = [
        (one["receiver"], one["matchers"][0]) for one in made["route"]["routes"]
        if one["receiver"].startswith("partner-")
    ]  # fmt: skip
    assert sorted(routes) == [
        ("partner-acme", 'sport="mlb"'), ("partner-acme", 'sport="nba"'),
        ("partner-acme", 'sport="nfl"'), ("partner-bluebook", 'sport="nfl"'),
    ]  # fmt: skip
    mails = {
        one["name"]: one["email_configs"][0] for one in made["receivers"]
        if one["name"].startswith("partner-")
    }  # fmt: skip
    assert mails["partner-acme"]["to"] == fleet.partners["acme"]["contact"]
    for mail in mails.values():
        fields = set(re.findall(r"\.(?:Annotations|Labels|CommonLabels)\.(\w+)", str(mail)))
        assert fields == {"partners", "sport"}
        assert mail["html"] == ""  # Alertmanager's own page would show every label


def test_an_alert_that_partners_see_has_the_words_for_them(fleet):
    for member in fleet.members:
        told = {one.name: one for one in alerts_of(member) if one.partners}
        rules = {
            rule["alert"]: rule for group in groups_of(member) for rule in group["rules"]
            if "alert" in rule
        }  # fmt: skip
        noticed = {name for name, rule in rules.items() if rule["labels"].get("notice")}
        assert noticed
        assert noticed == {name for name, one in told.items() if one.severity == "page"}
        for name in noticed:
            words = rules[name]["annotations"]["partners"]
            assert words == told[name].partners
            assert "kubectl" not in words
            assert member.namespace not in words


@pytest.mark.parametrize(("given", "code"), [("840", 0), ("", 2), ("soon", 2)])
def test_a_drill_is_recorded_with_its_time(texts, tmp_path, given, code):
    program = tmp_path / "run.sh"
    program.write_text(texts["clickhouse/jobs/run.sh"])
    done = subprocess.run(
        ["/bin/sh", program, "recovery-drill", *([given] if given else [])],
        env={"PATH": "/usr/bin:/bin", "METRICS": str(tmp_path), "STATE": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    file = tmp_path / "oddspipe_job_recovery-drill.prom"
    assert done.returncode == code, done.stderr
    assert file.exists() == (code == 0)
    if code == 0:
        lines = dict(line.split(" ") for line in file.read_text().splitlines())
        assert lines['oddspipe_job_duration_seconds{task="recovery-drill"}'] == given
        assert int(lines['oddspipe_job_success_time_seconds{task="recovery-drill"}']) > 1.7e9

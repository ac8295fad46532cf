"""`oddspipe run --from … --correct`: what was priced wrongly is published once, the rest never."""

import json
import os
import signal
import subprocess

import pytest
from tests.integration.committed import committed
from tests.integration.test_run_over_kafka import Sport
from tests.replay_cases import ODDSPIPE

from oddspipe.core.failpoints import POINTS, VARIABLE

pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
pytestmark = pytest.mark.integration
PARTITIONS = 3
FLOOR = "odds: {price: {floor: 1.88, cap: 101}}"
"""Prices below it become others; those above stay."""
PLACES = sorted(one for one in POINTS if one.startswith("correct."))


def made(folder, name, brokers, more="", pace=("--max-speed",)):
    """Return a sport whose feed was served, priced and is to be corrected."""
    sport = Sport(folder, name, brokers)
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text() + more)
    sport.done("feed", "serve", "--rate", "2000", "--duration", "6", "--seed", "3", *pace)
    sport.done("run", "--sinks", "none", "--until", "idle")
    return sport


def changed(sport, more):
    """Change the spec: from now on another price is right."""
    spec = sport.folder / "spec.yaml"
    lines = [x for x in spec.read_text().splitlines() if not x.startswith(("odds:", "event:"))]
    spec.write_text("\n".join([*lines, more, ""]))


def topic(sport, name):
    """Return all messages of a topic of the sport."""
    parts = committed(sport.brokers, f"{sport.name}.{name}", PARTITIONS)
    return [json.loads(one.value()) for part in parts for one in part]


def corrected(sport, *words):
    sport.done("run", "--correct", *words, "--report", "report.json")
    return json.loads((sport.folder / "report.json").read_text())


def groups(lines):
    """Return the markets of a message: lines, states and prices."""
    found = {}
    for line in lines:
        prices = [(side["side"], side["decimal"]) for side in line["sides"]]
        found.setdefault((line["scope"], line["market"]), []).append(
            (line["line"], line["status"], prices)
        )
    return found


def offered(messages):
    """Return the state of every market of a game at each moment."""
    found, now = {}, {}
    for one in sorted(messages, key=lambda each: (each["as_of"], each["type"] == "correction")):
        now.setdefault(one["game"], {}).update(groups(one["markets"]))
        found[one["game"], one["as_of"]] = dict(now[one["game"]])
    return found


@pytest.mark.proves("twice", "odds_topic")
@pytest.mark.proves("told", "odds_topic")
def test_a_changed_price_is_corrected_once_where_a_price_differs(tmp_path, brokers):
    sport = made(tmp_path, "mended", brokers)
    assert corrected(sport, "--from", "0")["corrections"] == 0
    before = topic(sport, "odds.v1")
    changed(sport, FLOOR)

    dry = corrected(sport, "--from", "0", "--dry-run")
    assert topic(sport, "odds.corrections.v1") == []
    first = corrected(sport, "--from", "0")
    published = topic(sport, "odds.corrections.v1")
    second = corrected(sport, "--from", "0")

    assert 0 < dry["corrections"] == first["corrections"] == len(published) <= first["moments"]
    # Only what differs: markets without a price below the floor are left alone.
    wrong = sum(len(groups(one["markets"])) for one in published)
    assert wrong < sum(len(groups(one["markets"])) for one in before)
    assert second["corrections"] == 0
    assert topic(sport, "odds.corrections.v1") == published
    assert topic(sport, "odds.v1") == before
    ids = {one["id"] for one in before}
    assert {one["corrects"] for one in published} <= ids
    assert all(one["type"] == "correction" and one["was"] for one in published)
    # What was offered and the corrections together are what a run with the right plan publishes.
    right = fresh(tmp_path, sport, brokers)
    both = offered([*before, *published])
    for moment, markets in offered(right).items():
        assert both[moment] == markets, moment


def fresh(folder, sport, brokers):
    """Return the odds of another sport that reads the same feed with the right spec."""
    (folder / "right").mkdir()
    spec = (folder / "spec.yaml").read_text()
    other = Sport(folder / "right", f"{sport.name}right", brokers)
    (other.folder / "spec.yaml").write_text(
        spec.replace(f"sport: {sport.name}", f"sport: {other.name}")
    )
    other.done("run", "--sinks", "none", "--until", "idle")
    return topic(other, "odds.v1")


@pytest.mark.proves("kill", "odds_topic")
@pytest.mark.proves("twice", "odds_topic")
def test_a_correction_that_is_killed_repeats_nothing(tmp_path, brokers):
    sport = made(tmp_path, "killedmend", brokers)
    changed(sport, FLOOR)
    for place in PLACES:
        one = subprocess.run(
            [ODDSPIPE, "run", "--correct", "--from", "0", *sport.words], cwd=tmp_path,
            env={**sport.environ, VARIABLE: f"{place}=1"}, capture_output=True, timeout=90,
            check=False,
        )  # fmt: skip
        assert one.returncode == -signal.SIGKILL, one.stderr
    corrected(sport, "--from", "0")
    published = topic(sport, "odds.corrections.v1")

    assert len({one["id"] for one in published}) == len(published) > 0
    assert {one["revision"] for one in published} == {1}
    assert corrected(sport, "--from", "0")["corrections"] == 0
    assert os.environ.get(VARIABLE) is None


def test_rows_that_were_refused_by_mistake_are_priced_and_corrected(tmp_path, brokers):
    sport = made(
        tmp_path, "refused", brokers, "event: {fields: {clock: {range: [898500, 900000]}}}\n"
    )
    assert sum(one["reason"] == "OUT_OF_RANGE" for one in topic(sport, "dlq")) > 0
    changed(sport, "")

    assert corrected(sport, "--from", "0")["corrections"] > 0
    assert corrected(sport, "--from", "0")["corrections"] == 0


def test_a_stretch_is_a_time_or_an_offset_and_a_backup_gives_the_same(tmp_path, brokers):
    # At its own pace: at full speed all of it may come within a millisecond or two.
    sport = made(tmp_path, "stretch", brokers, pace=())
    told = sport.done("feed", "save", "--to", "kept")
    assert "saved 0 records" in sport.done("feed", "save", "--to", "kept")
    assert "saved 0 records" not in told
    changed(sport, FLOOR)
    moments = sorted(one["as_of"] for one in topic(sport, "odds.v1"))
    middle = moments[len(moments) // 2]

    whole = corrected(sport, "--from", "0", "--dry-run")
    some = corrected(sport, "--from", middle.removesuffix("Z"), "--dry-run")
    one = corrected(sport, "--from", "1:0", "--dry-run")
    late = corrected(sport, "--from", "99999999", "--dry-run")
    backed = corrected(sport, "--from", "0", "--backup", "kept", "--dry-run")

    assert 0 < some["moments"] < whole["moments"]
    assert 0 < one["moments"] < whole["moments"]
    assert late["moments"] == 0
    assert backed == whole


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "0"], "go with --correct"),
        (["--correct"], "needs --from"),
        (["--correct", "--from", "yesterday"], "is no time and no offset"),
        (["--correct", "--from", "0", "--rate", "5"], "does not take --rate"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, brokers, words, told):
    assert told in Sport(tmp_path, "wrong", brokers).refused("run", *words)


def test_where_stages_are_apart_odds_are_corrected_once_too(tmp_path, brokers):
    sport = Sport(tmp_path, "parted", brokers)
    platform = tmp_path / "platform.yaml"
    platform.write_text(platform.read_text().replace("  dev:\n", "  dev:\n    stages: apart\n"))
    sport.done("feed", "serve", "--rate", "2000", "--duration", "6", "--max-speed", "--seed", "3")
    for stage in ("normalise", "price"):
        sport.done("run", "--stage", stage, "--until", "idle")
    assert corrected(sport, "--from", "0", "--dry-run")["corrections"] == 0

    changed(sport, FLOOR)
    found = corrected(sport, "--from", "0")

    assert found["moments"] >= found["corrections"] > 5
    assert corrected(sport, "--from", "0")["corrections"] == 0

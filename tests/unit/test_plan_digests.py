import hashlib
import os
import subprocess
import sys
from typing import Any

import pytest
from tests.plan_cases import ROOT, SPORTS, edited, plan, plan_of, written

from oddspipe.core.plan.digest import (
    DEPLOYMENT_ADDS,
    LOGIC_COVERS,
    canonical,
    deployment_document,
    logic_document,
    readable,
)
from oddspipe.core.plan.load import plan_for
from oddspipe.core.spec.platform import PlatformSpec

DECIDES_PRICES = [
    ("schema_version", 2),
    ("feed.max_payload", "32KiB"),
    ("event.kinds", ["play", "score", "clock", "tracking", "market", "game_start", "game_end",
                     "correction", "delete", {"name": "review", "number": 16, "like": "play"}]),
    ("event.fields.home_score.range", [0, 120]),
    ("event.fields.down.required", True),
    ("event.fields.down.number", 40),
    ("event.fields.distance.type", "int32"),
    ("event.fields.possession.values", {"none": 0, "home": 1, "away": 3}),
    ("rules.0.check", "clock <= 800000"),
    ("rules.0.on", ["play"]),
    ("rules", []),
    ("duplicates.window", "11s"),
    ("order.window", "1s"),
    ("order.late", "dlq"),
    ("order.first_sequence", 0),
    ("order.max_held", 99),
    ("order.max_gap", 99),
    ("state.columns.possession.default", 1),
    ("state.columns.plays.on", ["play", "score"]),
    ("state.columns.downs", {"take": "max", "of": "down"}),
    ("state.derive.lead", "away_score - home_score"),
    ("model.parameters.total_mean", 45.1),
    ("odds.markets.spread.alternates", 4),
    ("odds.markets.total.line", 44.5),
    ("odds.margin.overround", "4.6%"),
    ("odds.margin.method", "power"),
    ("odds.formats", ["decimal"]),
    ("odds.cadence.conflate", "21ms"),
    ("odds.cadence.at_once", ["score"]),
    ("odds.stale_after", "16s"),
    ("odds.price.cap", 51),
    ("odds.guards.0.suspend_when", "market = 'total'"),
    ("odds.guards", []),
]  # fmt: skip
DECIDES_NO_PRICE = [
    ("title", "American football"),
    ("owner.team", "odds-night"),
    ("alerts.lag", "11s"),
    ("feed.topic", "nfl.feed.v2"),
    ("feed.brokers", "kafka:9092"),
    ("feed.retention", "48h"),
    ("feed.heartbeat", "4s"),
    ("feed.recording.zone", "UTC"),
    ("event.fields.down.description", "Which down it is."),
    ("event.fields.distance.unit", "yards"),
    ("sinks.current.ttl", "9s"),
    ("sinks.history.guarantee", "at_least_once"),
    ("load.peak_rate", "1000/s"),
    ("load.phases.0.multiplier", 2),
    ("schedule.season.to", "02-20"),
    ("made_game.plays", 171),
    ("recovery.snapshot_every", "6s"),
]


@pytest.mark.parametrize(("path", "value"), DECIDES_PRICES, ids=[p for p, _ in DECIDES_PRICES])
def test_what_decides_prices_changes_both_digests(path, value) -> None:
    spec = edited(written("nfl"), "tests", [])
    before, after = plan("nfl"), plan_of(edited(spec, path, value))

    assert after.logic_digest != before.logic_digest
    assert after.deployment_digest != before.deployment_digest


@pytest.mark.parametrize(("path", "value"), DECIDES_NO_PRICE, ids=[p for p, _ in DECIDES_NO_PRICE])
def test_what_decides_no_price_changes_the_deployment_digest_only(path, value) -> None:
    before, after = plan("nfl"), plan_of(edited(written("nfl"), path, value))

    assert after.logic_digest == before.logic_digest
    assert after.deployment_digest != before.deployment_digest


def test_the_fields_of_a_json_feed_and_how_they_map_decide_prices() -> None:
    spec = written("nba")
    digests = {plan_of(spec).logic_digest}
    digests.add(plan_of(edited(spec, "feed.payload.revision", "int32")).logic_digest)
    digests.add(plan_of(edited(spec, "feed.mapping.1.where", "type = 'event'")).logic_digest)
    digests.add(plan_of(edited(spec, "feed.mapping.1.fields.clock", "clock_ms / 2")).logic_digest)

    assert len(digests) == 4


def test_tests_change_neither_digest() -> None:
    before, after = plan("nfl"), plan_of(edited(written("nfl"), "tests", []))

    assert before.tests
    assert after.logic_digest == before.logic_digest
    assert after.deployment_digest == before.deployment_digest


def test_an_endpoint_a_partner_or_a_price_of_the_platform_changes_the_deployment_digest_only() -> (
    None
):
    base = {"environments": {"local": {"source": "simulator"}}}
    partner = {"title": "A", "tier": "gold", "sports": ["nfl"], "formats": ["decimal"],
               "max_rate": "1/s", "sla": {"latency": "1s", "availability": "99%"}}  # fmt: skip
    places = [
        base,
        {"environments": {"local": {"source": "simulator", "partitions": 2}}},
        {"environments": {"local": {"source": "simulator", "redis": {"url": "redis://a:6379"}}}},
        {**base, "partners": {"acme": partner}},
        {**base, "prices": {"cpu_hour": 0.05}},
        {**base, "owners": {"platform": {"team": "a", "contact": "b", "pager": "c"}}},
    ]

    plans = [plan_of(written("nfl"), PlatformSpec.model_validate(place)) for place in places]

    assert len({made.logic_digest for made in plans}) == 1
    assert len({made.deployment_digest for made in plans}) == len(places)


def test_a_partner_of_one_sport_leaves_the_others_alone() -> None:
    partner = {"title": "A", "tier": "gold", "sports": ["nfl"], "formats": ["decimal"],
               "max_rate": "1/s", "sla": {"latency": "1s", "availability": "99%"}}  # fmt: skip
    without, having = (
        PlatformSpec.model_validate(
            {"environments": {"local": {"source": "simulator"}}, "partners": partners}
        )
        for partners in ({}, {"acme": partner})
    )

    changed = [
        sport
        for sport in SPORTS
        if plan_of(written(sport), without).deployment_digest
        != plan_of(written(sport), having).deployment_digest
    ]

    assert changed == ["nfl"]


@pytest.mark.parametrize("sport", SPORTS)
def test_the_logic_digest_is_the_same_in_every_environment(sport) -> None:
    place = PlatformSpec.model_validate(
        {
            "environments": {
                "local": {"partitions": 1, "source": "simulator"},
                "prod": {
                    "source": "feed",
                    "partitions": 40,
                    "replicas": 8,
                    "redis": {"url": "redis://cache:6379/0"},
                    "kafka": {"brokers": "kafka:9092"},
                    "region": "us-east-1",
                },
            }
        }
    )

    local, prod = (plan_of(written(sport), place, name) for name in ("local", "prod"))

    assert local.logic_digest == prod.logic_digest
    assert local.deployment_digest != prod.deployment_digest


def turned_round(value: Any) -> Any:
    """Return the value with the keys of every mapping in the opposite order."""
    match value:
        case dict():
            return {key: turned_round(one) for key, one in reversed(value.items())}
        case list():
            return [turned_round(one) for one in value]
        case _:
            return value


@pytest.mark.parametrize("sport", SPORTS)
def test_the_order_of_keys_decides_nothing(sport) -> None:
    spec = turned_round(written(sport))
    # A derived column reads those above it, so these alone keep their order.
    spec["state"]["derive"] = written(sport)["state"]["derive"]

    before, after = plan(sport), plan_of(spec)

    assert list(spec["state"]["columns"]) != list(written(sport)["state"]["columns"])
    assert (after.state, after.derived, after.odds) == (before.state, before.derived, before.odds)
    assert after.logic_digest == before.logic_digest
    assert after.deployment_digest == before.deployment_digest


def test_derived_columns_that_do_not_read_each_other_may_change_places() -> None:
    spec = written("nfl")
    one, other = spec["state"]["derive"].items()
    turned = edited(spec, "state.derive", dict([other, one]))

    assert plan_of(turned).derived == plan_of(spec).derived


def test_comments_decide_nothing(tmp_path) -> None:
    text = (
        (ROOT / "sports/nfl.yaml")
        .read_text()
        .replace("extends: shared/", f"extends: {ROOT}/sports/shared/")
    )
    plain, noted = tmp_path / "plain.yaml", tmp_path / "noted.yaml"
    plain.write_text(text)
    noted.write_text("# a remark\n" + text.replace("\nrules:", "\n# another\n\nrules:  # a third"))

    a, b = (plan_for(file, platform=ROOT / "platform.yaml") for file in (plain, noted))

    assert noted.read_text() != plain.read_text()
    assert (a.logic_digest, a.deployment_digest) == (b.logic_digest, b.deployment_digest)


@pytest.mark.integration
def test_digests_are_the_same_under_any_seed_of_the_hash() -> None:
    script = (
        "from oddspipe.core.plan.load import plan_for\n"
        "for s in ('nfl', 'nba', 'mlb'):\n"
        "    p = plan_for(s); print(p.logic_digest, p.deployment_digest)"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip

    assert len(printed) == 1
    assert len(set(printed.pop().split())) == 6


@pytest.mark.parametrize("sport", SPORTS)
def test_the_digest_is_the_sha_256_of_the_bytes_that_are_shown(sport) -> None:
    made = plan(sport)

    assert hashlib.sha256(canonical(logic_document(made))).hexdigest() == made.logic_digest
    assert (
        hashlib.sha256(canonical(deployment_document(made))).hexdigest() == made.deployment_digest
    )


def test_everything_that_is_hashed_has_words() -> None:
    made = plan("nfl")

    assert set(logic_document(made)) == set(LOGIC_COVERS)
    assert set(deployment_document(made)) == set(LOGIC_COVERS) | set(DEPLOYMENT_ADDS)


def test_plans_of_two_specs_differ_in_the_lines_that_were_changed() -> None:
    before = readable(logic_document(plan("nfl"))).splitlines()
    after = readable(
        logic_document(plan_of(edited(written("nfl"), "odds.cadence.conflate", "25ms")))
    ).splitlines()

    changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]

    assert changed == [('    "conflate_us": 20000,', '    "conflate_us": 25000,')]

"""No rule and no dashboard asks for a metric that nothing exposes."""

import json

import pytest
import yaml
from tests.plan_cases import ROOT

from oddspipe.core.infra.queries import known_metrics, selected, unknown
from oddspipe.core.telemetry.catalogue import METRICS
from oddspipe.core.telemetry.others import others

pytest.importorskip("promql_parser", reason="promql-parser comes with the development extra")

ENVIRONMENTS = ("dev", "staging", "prod")
RULES = [
    pytest.param(file, id=f"{environment}-{file.name}")
    for environment in ENVIRONMENTS
    for file in sorted((ROOT / "generated" / environment / "prometheus").glob("*.rules.yaml"))
]
BOARDS = [
    pytest.param(file, id=f"{environment}-{file.name}")
    for environment in ENVIRONMENTS
    for file in sorted((ROOT / "generated" / environment / "grafana").glob("*.json"))
]


def rules_of(file):
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("file", RULES)
def test_rules_ask_for_what_something_exposes(file):
    rules = rules_of(file)
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert [fault for rule in rules for fault in unknown(rule["expr"], recorded)] == []
    assert all(selected(rule["expr"]) for rule in rules)


@pytest.mark.parametrize("file", BOARDS)
def test_dashboards_ask_for_what_something_exposes(file):
    queries = [
        target["expr"]
        for panel in json.loads(file.read_text())["panels"]
        for target in panel["targets"]
    ]
    assert queries
    assert [fault for query in queries for fault in unknown(query)] == []


def test_every_metric_of_the_register_is_asked_for():
    asked = {
        one.metric
        for parameter in RULES
        for rule in rules_of(parameter.values[0])
        for one in selected(rule["expr"])
    }
    assert set(others()) <= asked
    assert not set(others()) & {metric.name for metric in METRICS}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("sum(rate(oddspipe_event_total[1m]))", ["nothing exposes oddspipe_event_total"]),
        ("oddspipe_sink_latency_seconds > 1", ["nothing exposes oddspipe_sink_latency_seconds"]),
        ('oddspipe_boards_total{partition="1"}', ["oddspipe_boards_total has no label partition"]),
        ('{__name__="redis_upp"} == 0', ["nothing exposes redis_upp"]),
        ("absent(kafka_lag) or on () vector(0)", ["nothing exposes kafka_lag"]),
        ("max_over_time(nope[5m:1m])", ["nothing exposes nope"]),
        ('{sport="nfl"}', ["nothing exposes a metric without a name"]),
        ('histogram_quantile(0.99, rate(oddspipe_sink_latency_seconds_bucket{le="1"}[1m]))', []),
        ("rate(oddspipe_events_total[$__rate_interval])", []),
        ('redis_up{instance="a", pod="b"} == 0', []),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_nothing_exposes_is_told(query, wrong):
    assert unknown(query) == wrong


def test_a_pattern_for_metrics_is_refused():
    with pytest.raises(ValueError, match="by a pattern"):
        selected('{__name__=~"oddspipe_.*"}')


def test_what_the_register_says_is_well_formed():
    for one in others().values():
        assert one.kind in {"counter", "gauge"}
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert one.meaning.endswith(".")
        assert one.name in known_metrics()

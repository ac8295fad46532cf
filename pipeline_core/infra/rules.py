"""Alerts as Prometheus reads them: groups of rules, and a unit test of each for promtool."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from oddspipe.core.infra.alerts import LATE_S, STEP_S, Alert, alerts_of, behind_s, games_live
from oddspipe.core.infra.fleet import Member

NOTICE: Final = "partners"
"""Label of alerts that partners are told of."""


def groups_of(member: Member) -> list[dict[str, Any]]:
    """Return the groups of rules of a sport, as Prometheus reads them."""
    return [
        {"name": f"oddspipe-{member.sport}-records", "interval": f"{STEP_S}s",
         "rules": [dict(one) for one in _records(member)]},
        {"name": f"oddspipe-{member.sport}", "interval": f"{STEP_S}s",
         "rules": [_rule(member, one) for one in alerts_of(member)]},
    ]  # fmt: skip


def tests_of(member: Member, rules: str) -> dict[str, Any]:
    """Return unit tests for promtool: each alert fires where it must, and not where it must not.

    Args:
        member: The sport.
        rules: Name of the file with its rules.
    """
    tests = [case for one in alerts_of(member) for case in cases_of(one, _rule(member, one))]
    return {"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}


def _rule(member: Member, alert: Alert) -> dict[str, Any]:
    owner = member.plan.owner
    told = alert.partners and alert.severity == "page"
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasts,
        "labels": {
            "severity": alert.severity, "team": owner.team, "sport": member.sport,
            **({"notice": NOTICE} if told else {}),
        },
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"runbooks/{member.sport}/{alert.name}.md",
            # What they get, and nothing of the rest.
            **({"partners": alert.partners} if told else {}),
        },
    }  # fmt: skip


def cases_of(
    alert: Alert, rule: Mapping[str, Any], more: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the tests of an alert: it fires where it must, and does not where it must not.

    Args:
        alert: The alert.
        rule: What Prometheus reads of it.
        more: Labels that it has beside those that its description names.
    """
    told, named = _filled(alert)
    fired = {
        "exp_labels": {**rule["labels"], **named, **(more or {})},
        "exp_annotations": {**rule["annotations"], "description": told},
    }
    for word, series, wanted in (("fires", alert.bad, [fired]), ("does not", alert.good, [])):
        yield {
            "name": f"{alert.name} {word}",
            "interval": f"{STEP_S}s",
            "input_series": [{"series": name, "values": text} for name, text in series.items()],
            "alert_rule_test": [{"eval_time": "1h", "alertname": alert.name, "exp_alerts": wanted}],
        }


def _filled(alert: Alert) -> tuple[str, dict[str, str]]:
    """Return the description as it reads in the test that fires, and the labels that it names."""
    given = dict(re.findall(r'(\w+)="([^"]*)"', next(iter(alert.bad), "")))
    named = {label: given[label] for label in re.findall(r"\$labels\.(\w+)", alert.description)}
    told = re.sub(r"{{ \$value[^}]*}}", alert.reads, alert.description)
    for label, value in named.items():
        told = told.replace(f"{{{{ $labels.{label} }}}}", value)
    return told, named


def _records(member: Member) -> Iterator[Mapping[str, Any]]:
    yield {
        "record": "sport:oddspipe_late:bool",
        "expr": f"(({behind_s(member)}) > bool {LATE_S}) and on (sport) ({games_live(member)})",
        "labels": {"sport": member.sport},
    }

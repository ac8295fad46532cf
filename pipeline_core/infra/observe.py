"""What people look at and are woken by: rules, routes, dashboards and runbooks."""

from collections.abc import Iterator
from typing import Any, Final

from oddspipe.core.infra.alerts import Alert, alerts_of
from oddspipe.core.infra.fleet import Fleet, Member
from oddspipe.core.infra.recovery import NOTICE_MIN
from oddspipe.core.infra.rules import NOTICE, groups_of, tests_of
from oddspipe.core.infra.text import as_json, head, with_head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.render.templates import rendered
from oddspipe.core.telemetry import catalogue as m

SECRETS: Final = "/etc/alertmanager/secrets"
"""Folder in which Alertmanager finds the keys of the pagers, a file each."""
RELAY: Final = "localhost:25"
"""Tickets are mails; a relay stands beside Alertmanager."""
GRID: Final = 24


def observe_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield rules with their tests, routes, dashboards and a runbook for each alert."""
    for member in fleet.members:
        sport, source = member.sport, f"sports/{member.sport}.yaml"
        rules = f"{sport}.rules.yaml"
        text = with_head(source, {"groups": groups_of(member)})
        yield Artefact(f"prometheus/{rules}", text, "prometheus", sport)
        text = with_head(source, tests_of(member, rules))
        yield Artefact(f"prometheus/{sport}.test.yaml", text, "prometheus-test", sport)
        yield Artefact(f"grafana/{sport}.json", as_json(dashboard_of(member)), "grafana", sport)
        for alert in alerts_of(member):
            yield Artefact(
                f"runbooks/{sport}/{alert.name}.md",
                _runbook(fleet, member, alert),
                "runbook",
                sport,
            )
    text = with_head("platform.yaml", alertmanager_of(fleet))
    yield Artefact("alertmanager/alertmanager.yaml", text, "alertmanager")
    yield Artefact("grafana/business.json", as_json(business_of(fleet)), "grafana")


def _runbook(fleet: Fleet, member: Member, alert: Alert) -> str:
    values = {
        "head": head(f"sports/{member.sport}.yaml", mark="[//]: #"),
        "alert": alert,
        "member": member,
        "plan": member.plan,
        "environment": fleet.environment,
    }
    return rendered("infra/runbook.md.j2", values)


def alertmanager_of(fleet: Fleet) -> dict[str, Any]:
    """Return the routes: who is woken, who gets a ticket, and what hides what."""
    pagers: dict[str, Any] = {}
    routes: list[dict[str, Any]] = []
    inhibit: list[dict[str, Any]] = []
    for member in fleet.members:
        pagers[member.plan.owner.pager] = None
        of_sport = f'sport="{member.sport}"'
        routes += [
            {"matchers": [of_sport, 'severity="page"'], "receiver": member.plan.owner.pager},
            {"matchers": [of_sport, 'severity="ticket"'], "receiver": f"{member.plan.owner.team}"},
        ]
        pagers[member.plan.owner.team] = member.plan.owner.contact
        inhibit += [
            {
                "source_matchers": [of_sport, f'alertname="{alert.name}"'],
                "target_matchers": [of_sport, f'alertname=~"{"|".join(alert.hides)}"'],
            }
            for alert in alerts_of(member)
            if alert.hides
        ]
    platform = fleet.owners["platform"]
    recovery = f"{platform['team']}-recovery"
    tells = [{"matchers": ['recovery="true"'], "receiver": recovery, "continue": True}]
    pagers[recovery] = platform["contact"]
    pagers[platform["pager"]] = None
    pagers[platform["team"]] = platform["contact"]
    routes.append({"matchers": ['sport=""', 'severity="ticket"'], "receiver": platform["team"]})
    return {
        "global": {
            "resolve_timeout": "5m",
            "smtp_smarthost": RELAY,
            "smtp_from": platform["contact"],
            "smtp_require_tls": False,
        },
        "route": {
            "receiver": platform["pager"],
            "group_by": ["sport", "alertname"],
            "group_wait": "10s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [*_notices(fleet), *tells, *routes],
        },
        "inhibit_rules": inhibit,
        "receivers": [
            *(_receiver(name, contact) for name, contact in sorted(pagers.items())),
            *(_partner(name, one) for name, one in _told(fleet).items()),
        ],
    }


def _told(fleet: Fleet) -> dict[str, Any]:
    """Return the partners that have said where to write to."""
    return {name: one for name, one in sorted(fleet.partners.items()) if one.get("contact")}


def _notices(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the routes to partners: once, after a while, of the sports that they take."""
    return [
        {
            "matchers": [f'sport="{member.sport}"', f'notice="{NOTICE}"'],
            "receiver": f"partner-{name}",
            "continue": True,
            "group_by": ["sport"],
            "group_wait": f"{NOTICE_MIN}m",
            "group_interval": f"{NOTICE_MIN}m",
            "repeat_interval": "12h",
        }
        for name, one in _told(fleet).items()
        for member in fleet.members
        if member.sport in one["sports"]
    ]


def _partner(name: str, partner: dict[str, Any]) -> dict[str, Any]:
    """Return what writes to a partner: what is theirs to know, and nothing of our machines."""
    said = "{{ range .Alerts }}{{ .Annotations.partners }}\n{{ end }}"
    state = '{{ if eq .Status "firing" }}a fault{{ else }}over{{ end }}'
    subject = f"Odds of {{{{ .CommonLabels.sport }}}}: {state}"
    mail = {
        "to": partner["contact"],
        "send_resolved": True,
        "headers": {"Subject": subject},
        "html": "",
        "text": said,
    }
    return {"name": f"partner-{name}", "email_configs": [mail]}


def _receiver(name: str, contact: str | None) -> dict[str, Any]:
    """Return a pager, or who gets tickets by mail; keys lie in files, never here."""
    if contact is None:
        return {
            "name": name,
            "pagerduty_configs": [
                {"routing_key_file": f"{SECRETS}/{name}", "severity": "critical"}
            ],
        }
    return {"name": name, "email_configs": [{"to": contact, "send_resolved": True}]}


def dashboard_of(member: Member) -> dict[str, Any]:
    """Return the dashboard of a sport, for who operates it."""
    sport = f'sport="{member.sport}"'
    lag_s = member.plan.alerts["lag"] // 1_000_000

    def rate(metric: m.Metric, by: str = "") -> str:
        grouped = f"sum by ({by})" if by else "sum"
        return f"{grouped} (rate({metric.name}{{{sport}}}[$__rate_interval]))"

    def now(metric: m.Metric, how: str) -> str:
        return f"{how} ({metric.name}{{{sport}}})"

    panels = [
        _stat("Live games", now(m.LIVE, "sum")),
        _stat("Without odds", now(m.UNPRICED, "sum"), red=1),
        _stat("Behind", f"time() - {now(m.INPUT_TIME, 'max')}", unit="s", red=lag_s),
        _stat("Unaccounted rows", f"max (abs({m.UNACCOUNTED.name}{{{sport}}}))", red=1),
        _graph("Events", "short", ("taken", rate(m.EVENTS))),
        _graph("Odds messages", "short", ("", rate(m.BOARDS))),
        _graph("Turned away", "short", ("{{reason}}", rate(m.REJECTED, "reason"))),
        _graph("Held", "short", ("{{stage}}", now(m.HELD, "sum by (stage)"))),
        _graph("Sinks", "bool", ("{{sink}}", now(m.SINK_UP, "min by (sink)"))),
        _graph(
            "Transactions",
            "short",
            ("committed", rate(m.COMMITS)),
            ("taken up anew", rate(m.RESTARTS)),
        ),
        _graph("Partitions", "short", ("{{pod}}", now(m.PARTITIONS, "sum by (pod)"))),
        _graph("Memory", "bytes", ("{{pod}}", now(m.MEMORY, "max by (pod)"))),
    ]
    if member.is_live:
        share = f"{now(m.SPOOL, 'max')} / {now(m.SPOOL_LIMIT, 'max')}"
        panels += [
            _graph("Feed connected", "bool", ("", now(m.CONNECTED, "max"))),
            _graph("Spool", "percentunit", ("", share)),
        ]
    tags = ["oddspipe", member.sport, member.plan.deployment_digest[:16]]
    return _dashboard(f"oddspipe-{member.sport}", member.plan.title, tags, panels)


def business_of(fleet: Fleet) -> dict[str, Any]:
    """Return the dashboard of all sports: games and odds, nothing of machines."""
    panels = [
        _stat("Games on", f"sum({m.LIVE.name})"),
        _stat("Games by the schedule", f"sum(max by (sport) ({m.EXPECTED.name}))"),
        _stat("Without odds", f"sum({m.UNPRICED.name})", red=1),
        _graph("Games by sport", "short", ("{{sport}}", f"sum by (sport) ({m.LIVE.name})")),
        _graph("Odds messages by sport", "short",
               ("{{sport}}", f"sum by (sport) (rate({m.BOARDS.name}[$__rate_interval]))")),
    ]  # fmt: skip
    return _dashboard("oddspipe-business", f"Odds, {fleet.environment}", ["oddspipe"], panels)


def _dashboard(
    uid: str, title: str, tags: list[str], panels: list[dict[str, Any]]
) -> dict[str, Any]:
    x = y = tall = 0
    for number, panel in enumerate(panels, 1):
        place = panel["gridPos"]
        if x + place["w"] > GRID:
            x, y, tall = 0, y + tall, 0
        panel["id"] = number
        place |= {"x": x, "y": y}
        x, tall = x + place["w"], max(tall, place["h"])
    return {
        "uid": uid,
        "title": title,
        "tags": tags,
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def _panel(
    kind: str, title: str, queries: list[tuple[str, str]], size: tuple[int, int]
) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "type": kind,
        "title": title,
        "datasource": source,
        "gridPos": {"w": size[0], "h": size[1]},
        "targets": [
            {"refId": chr(65 + at), "datasource": source, "expr": expr, "legendFormat": legend}
            for at, (legend, expr) in enumerate(queries)
        ],
    }


def _stat(
    title: str, expr: str, *, unit: str = "short", red: float | None = None
) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if red is not None:
        steps.append({"color": "red", "value": red})
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        **_panel("stat", title, [("", expr)], (6, 4)),
        "fieldConfig": {"defaults": defaults, "overrides": []},
    }


def _graph(title: str, unit: str, *queries: tuple[str, str]) -> dict[str, Any]:
    return {
        **_panel("timeseries", title, list(queries), (12, 8)),
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
    }

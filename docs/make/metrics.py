"""The page of metrics, read off their declarations."""

from docs.make.text import page, table

from oddspipe.core.telemetry.catalogue import METRICS, PORT
from oddspipe.core.telemetry.others import others


def metrics_page() -> str:
    """Return the page of what a run serves over HTTP."""
    rows = [
        [
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in ("sport", *metric.labels)),
            metric.meaning,
        ]
        for metric in METRICS
    ]
    others_ = [
        [f"`{one.name}`", one.kind, one.unit, one.program, one.version, one.meaning]
        for one in others().values()
    ]
    body = f"""`oddspipe run --listen 127.0.0.1:{PORT}` serves three paths while the run goes on.
They are read at the moment of the request and cost nothing in between.

| path | answers |
|---|---|
| `/metrics` | what is below, in the Prometheus text format |
| `/health` | 200; 503 when the loop hangs or the run has failed: start it anew |
| `/ready` | 200 while it takes and prices what comes; 503 while it takes up state or drains |

`/health` and `/ready` tell state and reasons as JSON. A sink that is down is a reason and no state:
the run holds what the sink is to get, and a restart would help nothing. Over Kafka a worker without
partitions stands by and is ready. What a kind of run does not have (transactions without Kafka, a
spool without a live feed) is not shown.

{table(["metric", "type", "labels", "meaning"], rows)}

## Of other programs

Rules that are rendered ask for these too. The version is the oldest that one should run; a query on
a metric that stands in neither table is refused by a test and by `oddspipe render-infra --verify`.

{table(["metric", "type", "unit", "exposed by", "version", "meaning"], others_)}"""
    return page("Metrics", body)

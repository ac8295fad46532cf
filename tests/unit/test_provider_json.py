"""Events as a provider's JSON, and back through the spec's own mapping."""

import numpy as np
import polars as pl
import pytest
from tests.plan_cases import plan

from oddspipe.core.adapters.provider_json import ProviderJson
from oddspipe.core.assemble import Input, source_of
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.batch.rules import frame
from oddspipe.core.batch.sql_types import event_types
from oddspipe.core.errors import UsageError
from oddspipe.core.names import FieldType
from oddspipe.core.stages.messages import JsonMessages
from oddspipe.core.stages.normalise import Normalise


def simulated(the_plan):
    source = source_of(
        the_plan, Input(games=3, rate=2000, duration_s=40, faults="corrections=20%"), None
    )
    source.open(0)
    parts = []
    while (payloads := source.poll(0)) is not None:
        parts += [payloads.bytes_at(row) for row in range(len(payloads))]
    return Payloads.of(parts, ingest_us=np.zeros(len(parts), np.int64))


def rows_of(the_plan, payloads):
    stage = Normalise(the_plan.layout, the_plan.kinds, max_payload_bytes=65536)
    batch, status, _ = stage.step(payloads)
    assert not status.any()
    skipped = {"ingest_time", "schema_version", "action", "result"}
    uses = [c.name for c in the_plan.layout.columns
            if c.type is not FieldType.BYTES and c.name not in skipped]  # fmt: skip
    rows = frame(batch, the_plan.layout, uses, dict(stage.strings))
    assert set(uses) <= set(event_types(the_plan.layout))
    return rows.filter(pl.col("kind") != "tick")


@pytest.mark.parametrize("sport", ["nba", "mlb"])
def test_every_event_comes_back_as_it_was(sport):
    the_plan = plan(sport)
    given = simulated(the_plan)
    provider = ProviderJson(the_plan)
    texts = [provider.encode(message) for message in provider.messages(given)]
    reader = JsonMessages.of_feed(
        the_plan.feed, the_plan.layout, the_plan.kinds, schema_version=the_plan.schema_version
    )

    back = reader.events(Payloads.of(texts, ingest_us=np.zeros(len(texts), np.int64)))

    assert back.unmapped == {}
    before, after = rows_of(the_plan, given), rows_of(the_plan, back)
    assert len(before) > 1000
    assert before["kind"].equals(after["kind"])
    seen = set()
    for entry in the_plan.feed.mapping:
        kept = [name for name, _ in entry.fields if name in before.columns]
        mine, theirs = (rows.filter(pl.col("kind") == entry.kind) for rows in (before, after))
        assert mine.select(kept).equals(theirs.select(kept)), entry.kind
        seen |= {entry.kind} if len(mine) else set()
    assert seen >= {"play", "tracking", "market", "game_start"}


def test_a_feed_of_envelopes_has_no_json():
    with pytest.raises(UsageError, match="no JSON messages"):
        ProviderJson(plan("nfl"))

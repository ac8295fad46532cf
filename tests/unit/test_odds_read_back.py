"""Odds that went through their topic are the odds that were published."""

import numpy as np
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed

from oddspipe.core.adapters.kafka.published import output_of, read_message
from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.runtime.chain import PartitionChain

EXACTLY = (
    "sequence", "number", "cause_sequence", "cause_kind", "cause_number", "event_time", "as_of_us",
    "oldest_ingest_us", "reason", "home_score", "away_score", "period", "board", "scope", "market",
    "side", "status", "line", "is_main", "decimal_milli",
)  # fmt: skip


def test_odds_are_read_back_as_they_were_published():
    feed = noisy_feed(1)
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))
    output = PartitionChain(PLAN, NormalModel()).step(given)
    lines = messages(output, Origin("test", "test", "1", "plan", 1), ("decimal",)).splitlines()

    back = output_of([read_message(line, "here") for line in lines])

    assert len(lines) == len(output.odds) > 10
    assert np.isnan(output.odds.line).any()
    assert (output.odds.sequence != output.odds.number).any()
    for name in EXACTLY:
        wanted, got = getattr(output.odds, name), getattr(back.odds, name)
        np.testing.assert_array_equal(np.asarray(got), np.asarray(wanted), err_msg=name)
    names = [[one.games[game] for game in one.odds.game.tolist()] for one in (back, output)]
    assert names[0] == names[1]
    np.testing.assert_allclose(back.odds.p_fair, output.odds.p_fair, atol=1e-6)

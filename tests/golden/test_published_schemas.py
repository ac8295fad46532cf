from pathlib import Path

import pytest
from tests.plan_cases import ROOT, SPORTS, plan

from oddspipe.core.plan.proto.published import compared


@pytest.mark.parametrize("sport", SPORTS)
def test_the_published_schema_is_what_the_spec_says(sport) -> None:
    found = compared(plan(sport), ROOT / "generated")

    assert found.same, "run `oddspipe schema write` and commit what it writes"


def test_nothing_else_lies_beside_the_published_schemas() -> None:
    here = (path.relative_to(ROOT) for path in (ROOT / "generated/proto").rglob("*.*"))

    assert sorted(here) == [
        Path(f"generated/proto/oddspipe/{sport}/v1/event.proto") for sport in sorted(SPORTS)
    ]

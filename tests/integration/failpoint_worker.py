"""A run in one process with small steps and many snapshots, so that every place is passed often."""

import json
import sys
from dataclasses import replace
from pathlib import Path

from tests.plan_cases import ROOT

from oddspipe.core.assemble import Input, Settings, assemble
from oddspipe.core.plan.load import plan_for
from oddspipe.core.runtime.drain import StopSwitch


def main(data: str, folder: str, mode: str) -> int:
    state = Path(folder) / "state"
    plan = replace(plan_for(ROOT / "sports" / "nfl.yaml"), snapshot_interval_us=1_000)
    settings = Settings(
        Input(source="replay", folder=data),
        speed=None,
        state=state,
        resume=mode == "resume" and (state / "run.json").exists(),
        sinks=("partners", "dead_letters"),
        step_rows=16,
    )
    report = assemble(plan, settings).go(StopSwitch())
    (Path(folder) / "report.json").write_text(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

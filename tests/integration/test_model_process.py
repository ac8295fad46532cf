"""A model in a process of its own: same bytes, and whatever it does ends nothing but itself."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from tests.integration.test_kill_and_resume import recorded  # noqa: F401 - a fixture
from tests.replay_cases import ODDSPIPE
from tests.waiting import until

from oddspipe.core.assemble_models import model_of, prices_of
from oddspipe.core.conform.states import states_of
from oddspipe.core.errors import PluginError
from oddspipe.core.parts import Isolation, ModelPlan
from oddspipe.core.plan.load import plan_for
from oddspipe.core.ports import registry
from oddspipe.core.ports.model import GameStates
from oddspipe.core.runtime.model_process import PATIENT, ModelProcess
from oddspipe.core.stages.isolate import CrashedError, HungError, Pricer, RawBoards
from oddspipe.core.stages.slots import Shape

pytestmark = pytest.mark.integration
FRAIL = """
import os, signal, time
import numpy as np
from oddspipe.plugins.nfl_stern import NflSternModel

KEPT = []


class Frail(NflSternModel):
    def price(self, states):
        what = int(np.nanmax(states["home_score"]))
        if what == 901:
            raise ZeroDivisionError("no pace")
        if what == 902:
            time.sleep(600)
        if what == 903:
            os._exit(7)
        if what == 904:
            os.kill(os.getpid(), signal.SIGSEGV)
        if what == 905:
            KEPT.append(np.ones(1 << 30))
        if what == 906:
            10 ** 10 ** 10
        if what == 907:
            return None
        if what == 908:
            return {"half": super().price(states)["game"]}
        return super().price(states)
"""
PLAN = plan_for("nfl")
MARKETS = PLAN.odds.markets


@pytest.fixture
def frail(tmp_path, monkeypatch) -> ModelPlan:
    """Return a model of a package that is installed for this test."""
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    registry.entries.cache_clear()
    assert "frail" in [one.name for one in entry_points(group="oddspipe.models")]
    yield ModelPlan("frail", "1", {}, ("game",), PLAN.model.inputs)
    registry.entries.cache_clear()


def install(site: Path) -> None:
    (site / "frail").mkdir(parents=True)
    (site / "frail" / "__init__.py").write_text(FRAIL)
    told = site / "oddspipe_frail-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.4\nName: oddspipe-frail\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[oddspipe.models]\nfrail = frail:Frail\n")


@pytest.fixture(scope="module")
def states() -> GameStates:
    found = states_of(PLAN)
    return GameStates({name: found[name][:64].copy() for name in found.columns})


def with_score(states: GameStates, row: int, score: int) -> GameStates:
    columns = {name: column.copy() for name, column in states.columns.items()}
    columns["home_score"][row] = score
    return GameStates(columns)


def asked(model, states: GameStates) -> tuple[RawBoards, dict[int, str]]:
    boards = RawBoards.empty(len(states), len(Shape.of(MARKETS)))
    return boards, Pricer(model, MARKETS).price(states.columns, boards)


def of_(frail: ModelPlan, *, deadline_us: int = 20_000_000) -> ModelProcess:
    return ModelProcess(frail, Isolation(True, deadline_us), MARKETS)  # noqa: FBT003


@pytest.mark.parametrize("sport", ["nfl", "nba", "mlb"])
@pytest.mark.proves("same", "price")
def test_a_process_answers_with_the_same_bytes(sport) -> None:
    plan = plan_for(sport)
    states = states_of(plan)
    model, process = model_of(plan), prices_of(replace(plan, isolation=Isolation(process=True)))
    for rows in (slice(None), slice(0, 1), slice(5, 40)):
        some = GameStates({name: states[name][rows] for name in states.columns})
        here, there = model.price(some), process.price(some)
        assert here.keys() == there.keys()
        for scope in there:
            for axis in there[scope].of:
                ours, theirs = (getattr(one[scope], axis)() for one in (here, there))
                assert np.ascontiguousarray(ours.mass).tobytes() == theirs.mass.tobytes()
                assert ours.first.tolist() == theirs.first.tolist()
            ours, theirs = here[scope].doubt(), there[scope].doubt()
            for axis in ("margin", "total", "home", "away"):
                assert getattr(ours, axis).tobytes() == getattr(theirs, axis).tobytes()
    process.close()


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (901, "ZeroDivisionError: no pace"),
        (905, "MemoryError: Unable to allocate 8.00 GiB"),
        (907, "TypeError: price() returned None"),
        (908, "the model gave no distribution for scope 'game'"),
    ],
    ids=["raises", "memory", "none", "scope"],
)
def test_what_a_model_raises_there_is_told_as_here_and_spoils_one_row(
    frail, states, score, says
) -> None:
    process = of_(frail)
    pid = process.pid
    whole, _ = asked(process, states)

    boards, bad = asked(process, with_score(states, 3, score))

    assert list(bad) == [3]
    assert bad[3].startswith(says)
    others = np.arange(len(states)) != 3
    assert np.array_equal(boards.p_fair[others], whole.p_fair[others])
    assert (process.pid, process.restarts) == (pid, 0)
    process.close()


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (902, "the model did not answer within 1 s"),
        (903, "the model's process ended: code 7"),
        (904, "the model's process ended: signal 11"),
        (906, "the model did not answer within 1 s"),
    ],
    ids=["sleeps", "exits", "segfault", "keeps the lock"],
)
@pytest.mark.proves("told", "price")
def test_a_process_that_hangs_or_crashes_spoils_its_batch_and_another_goes_on(
    frail, states, score, says
) -> None:
    process = of_(frail, deadline_us=1_000_000)
    whole, _ = asked(process, states)
    first = process.pid

    _, bad = asked(process, with_score(states, 3, score))

    assert bad == dict.fromkeys(range(len(states)), says)
    assert process.restarts == 1
    assert until(lambda: not asked(process, states)[1])
    again, _ = asked(process, states)
    assert np.array_equal(again.p_fair, whole.p_fair, equal_nan=True)
    assert process.pid != first
    assert not Path(f"/proc/{first}").exists()
    process.close()


def test_after_failures_in_a_row_it_rests_and_answers_at_once_that_it_does(frail, states) -> None:
    process = of_(frail, deadline_us=20_000_000)
    for _ in range(PATIENT):
        with pytest.raises(CrashedError):
            process.price(with_score(states, 0, 903))

    with pytest.raises(HungError, match="rests"):
        process.price(states)

    assert process.restarts == PATIENT
    assert until(lambda: not asked(process, states)[1])
    process.close()


def test_a_model_that_does_not_load_there_is_refused_at_the_start(frail) -> None:
    with pytest.raises(PluginError, match="no installed package gives 'other'"):
        of_(replace(frail, name="other"))
    with pytest.raises(PluginError, match="does not load in a process of its own"):
        of_(replace(frail, parameters={"margin_sd": -1.0}))


@pytest.mark.parametrize("score", [0, 906], ids=["idle", "computing"])
def test_a_process_dies_with_who_asks_it(tmp_path, score) -> None:
    install(tmp_path / "site")
    asks = tmp_path / "asks.py"
    asks.write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from tests.integration import test_model_process as t\n"
        "model = t.ModelPlan('frail', '1', {}, ('game',), t.PLAN.model.inputs)\n"
        "process = t.of_(model)\n"
        "print(process.pid, flush=True)\n"
        "states = t.GameStates({n: t.np.zeros(1) for n in t.PLAN.model.inputs})\n"
        f"process.price(t.with_score(states, 0, {score}))\n"
        "print('answered', flush=True)\n"
        "sys.stdin.read()\n"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, str(asks)], cwd=root, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path / 'site'}:{root}"},
        stdout=subprocess.PIPE, stdin=subprocess.PIPE,
    )  # fmt: skip
    child = int(parent.stdout.readline())
    if score:
        # Busy without a turn for any other thread of its own: its time of processor rises.
        assert until(lambda: busy_ticks(child) > 100)
    else:
        assert parent.stdout.readline() == "answered\n"

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert until(lambda: not is_running(child))
    parent.stdout.close()
    parent.stdin.close()


def busy_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def is_running(pid: int) -> bool:
    """Say whether a process is there; one that ended and was not waited for is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def run(data: Path, folder: Path, spec: str) -> dict:
    folder.mkdir()
    (folder / "spec.yaml").write_text(spec)
    words = ("run", "--spec", "spec.yaml", "--data", data, "--max-speed", "--no-live",
             "--state", "state", "--report", "report.json", "--sinks", "dead_letters")  # fmt: skip
    done = subprocess.run(
        [ODDSPIPE, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ, "PYTHONPATH": str(folder.parent / "site")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "report.json").read_text())


@pytest.mark.proves("same", "price")
@pytest.mark.proves("loss", "price")
def test_a_run_gives_the_same_odds_and_loses_no_event_when_the_process_crashes(
    recorded, tmp_path  # noqa: F811 - the fixture
) -> None:  # fmt: skip
    install(tmp_path / "site")
    sport = "extends: oddspipe.sports:nfl.yaml\nmodel: {name: frail, parameters: null"
    here = run(recorded, tmp_path / "here", f"{sport}}}\n")
    there = run(recorded, tmp_path / "there", f"{sport}, isolation: process}}\n")
    (tmp_path / "site" / "frail" / "__init__.py").write_text(
        FRAIL.replace("what == 903", "what >= 3")
    )
    broken = run(recorded, tmp_path / "broken", f"{sport}, isolation: process}}\n")

    assert there["odds_sha256"] == here["odds_sha256"]
    assert there["plan"] == here["plan"]
    assert broken["model_failures"] > 0
    assert broken["balanced"]
    assert broken["events_in"] == here["events_in"]
    assert broken["stages"][-1]["out"] == here["stages"][-1]["out"]

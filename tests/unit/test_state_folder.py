"""A state folder keeps one run's state, for one process, through torn and damaged files."""

import pytest

from oddspipe.core.adapters.state_folder import RunFacts, StateFolder
from oddspipe.core.clock import ManualClock
from oddspipe.core.errors import StateError
from oddspipe.core.runtime.recover import Keeper, Snapshot, newest


@pytest.fixture
def folder(tmp_path):
    made = StateFolder(tmp_path / "state")
    made.acquire()
    yield made
    made.release()


def put(folder: StateFolder, position: int, *, logic: str = "plan") -> Snapshot:
    snapshot = Snapshot(
        position, b"token", logic, {"order": (b"held" * position,), "price": (b"",)}
    )
    folder.prepare(position, snapshot.encode())
    folder.publish(position)
    return snapshot


def test_a_second_run_on_the_folder_is_refused_and_told_who_has_it(folder) -> None:
    with pytest.raises(StateError, match=r"in use by process \d+, started 20"):
        StateFolder(folder.path).acquire()


def test_the_lock_goes_with_the_run(folder) -> None:
    folder.release()
    second = StateFolder(folder.path)

    second.acquire()

    second.release()


def test_a_snapshot_comes_back_whole(folder) -> None:
    snapshot = put(folder, 7)

    assert newest(folder, "plan") == snapshot


def test_the_newest_of_two_kept_snapshots_is_used(folder) -> None:
    for position in (1, 2, 30):
        put(folder, position)

    assert newest(folder, "plan").position == 30
    assert len(list(folder.path.glob("snapshot-*.bin"))) == 2


def test_a_damaged_snapshot_gives_way_to_the_one_before(folder) -> None:
    warned: list[str] = []
    folder._warn = warned.append
    put(folder, 1)
    put(folder, 2)
    newest_file = max(folder.path.glob("snapshot-*.bin"))
    content = bytearray(newest_file.read_bytes())
    content[-1] ^= 1
    newest_file.write_bytes(content)

    assert newest(folder, "plan").position == 1
    assert "damaged" in warned[0]


@pytest.mark.parametrize("length", [0, 10, 60])
def test_a_torn_snapshot_leads_back_to_the_beginning(folder, length) -> None:
    put(folder, 5)
    path = next(folder.path.glob("snapshot-*.bin"))
    path.write_bytes(path.read_bytes()[:length])

    assert newest(folder, "plan") is None


def test_state_of_another_plan_is_refused_with_what_to_do(folder) -> None:
    put(folder, 5, logic="other")

    with pytest.raises(StateError, match="another plan") as caught:
        newest(folder, "plan")

    assert "--fresh" in caught.value.hint


def test_a_prepared_snapshot_does_not_count(folder) -> None:
    put(folder, 5)
    folder.prepare(9, Snapshot(9, b"", "plan").encode())

    assert newest(folder, "plan").position == 5


def test_a_torn_commit_leaves_the_one_before(folder) -> None:
    folder.commit(10)
    folder.commit(20)
    path = folder.path / "committed"
    content = bytearray(path.read_bytes())
    content[8] ^= 0xFF
    path.write_bytes(content)

    assert StateFolder(folder.path).committed() == 10


def test_commits_go_on_after_a_resume(folder) -> None:
    folder.commit(10)
    folder.commit(20)
    again = StateFolder(folder.path)

    assert again.committed() == 20
    again.commit(30)
    assert StateFolder(folder.path).committed() == 30
    again.release()


def test_a_snapshot_is_valid_only_when_every_sink_has_reached_it(folder) -> None:
    keeper = Keeper(folder, interval_us=1, clock=ManualClock())
    keeper.offer(Snapshot(50, b"", "plan"))
    keeper.reached(49, at_once=True)
    keeper.close()

    assert newest(folder, "plan") is None
    assert folder.committed() == 49


def test_facts_come_back(folder) -> None:
    folder.describe(RunFacts("plan", {"seed": 3}))

    assert folder.facts() == RunFacts("plan", {"seed": 3}, finished=False)


def test_damaged_facts_are_told(folder) -> None:
    (folder.path / "run.json").write_text("{")

    with pytest.raises(StateError, match=r"run\.json cannot be read"):
        folder.facts()

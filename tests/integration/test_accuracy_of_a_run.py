"""A run tells how good the chances that it published were."""

from tests.replay_cases import nba_rows, recorded, run


def test_run_reports_the_accuracy_of_its_games(tmp_path) -> None:
    done, report = run(tmp_path, recorded(tmp_path / "data", nba_rows("A", "B")))

    assert done.returncode == 0, done.stderr
    assert report["accuracy"]["games"] == 2
    assert 0 < report["accuracy"]["brier"] < 0.25

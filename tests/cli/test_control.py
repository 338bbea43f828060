"""``forgather control``, on the files by which runs are told what to do."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from forgather_hydra.cli.forgather import main
from forgather_hydra.rundir.names import STATUS
from forgather_hydra.rundir.run import COMMANDS


def run(directory: Path, state: str = "running", ago: float = 0) -> Path:
    directory.mkdir(parents=True)
    beat = {"state": state, "step": 3, "max_steps": 9, "loss": 1.5, "host": "h", "pid": 1}
    (directory / STATUS).write_text(json.dumps(beat | {"time": time.time() - ago}))
    return directory


@pytest.mark.parametrize(
    ("action", "files"),
    [("save", {"SAVE"}), ("stop", {"STOP"}), ("save-stop", {"SAVE", "STOP"}), ("abort", {"ABORT"})],
)
def test_commands_are_the_files_that_runs_look_for(
    action: str, files: set[str], tmp_path: Path
) -> None:
    main(["control", action, str(run(tmp_path / "run"))])
    found = {path.name for path in (tmp_path / "run").iterdir()} - {STATUS}
    assert found == files
    assert found <= set(COMMANDS)


def test_list_tells_the_living_from_the_dead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", ago=500)
    run(tmp_path / "c/d", state="finished", ago=500)
    main(["control", "list", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["running", "died", "finished"]
    assert "step 3/9  loss 1.5000" in lines[0]


def test_only_the_commands_of_dead_runs_are_cleaned_up(tmp_path: Path) -> None:
    alive, dead = run(tmp_path / "a"), run(tmp_path / "b", ago=500)
    for directory in (alive, dead):
        (directory / "STOP").touch()
    main(["control", "cleanup", str(tmp_path)])
    assert (alive / "STOP").exists()
    assert not (dead / "STOP").exists()


@pytest.mark.parametrize("action", ["save", "status"])
def test_what_does_not_run_cannot_be_told_anything(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = run(tmp_path / "a", ago=500) if action == "save" else tmp_path
    with pytest.raises(SystemExit, match="2"):
        main(["control", action, str(directory)])
    assert "run" in capsys.readouterr().err

"""Jobs of one process are forked: what they have in common, what not, and what outlives what."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.launchers.slots import Slots

Run = Callable[..., Any]
FORKED = "+main={_target_: forked_tasks.TASK, _partial_: true, x: 1},"
FORKED += "{_target_: forked_tasks.TASK, _partial_: true, x: 2}"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("devices", "loaded"), [("none", True), ("[4,6]", False)])
def test_what_takes_long_is_imported_once_unless_there_are_devices(
    sweep: Run, saved: Run, devices: str, loaded: bool
) -> None:
    sweep("", FORKED.replace("TASK", "drawn"), f"hydra.launcher.devices={devices}")
    one, two = (job["metrics"] for job in saved()["jobs"])
    assert (one["loaded"], two["loaded"]) == (loaded, loaded)
    assert not set(one["numbers"]) & set(two["numbers"])
    assert [Path(each["argv"][1]).name for each in (one, two)] == ["0", "1"]


def test_trials_of_a_search_share_a_server(sweep: Run, tmp_path: Path) -> None:
    words = ("hydra/sweeper=forgather_optuna", "+main.x=interval(0,6)", "hydra.sweeper.n_trials=3")
    main = "+main={_target_: forked_tasks.parent, _partial_: true}"
    sweep("", main, *words, "hydra.sweeper.n_jobs=1", "hydra.launcher.devices=none")
    records = [json.loads((tmp_path / f"out/{n}/run.json").read_text()) for n in range(3)]
    first, second, third = (record["result"]["parent"] for record in records)
    assert first != second == third
    assert len(list((tmp_path / "out/.launch").glob("task-*"))) == 1


def test_without_the_server_jobs_are_started_one_by_one(sweep: Run, saved: Run) -> None:
    words = ("hydra.launcher.devices=[4]", "hydra.launcher.on_error=continue")
    sweep("", FORKED.replace("TASK", "orphan"), *words, expect=1)
    one, two = saved()["jobs"]
    assert (one["status"], two["status"]) == ("failed", "finished")
    assert "ended by SIGKILL" in one["error"]


def test_jobs_outlive_their_launcher_and_keep_their_slots(
    start: Run, sweep: Run, tmp_path: Path
) -> None:
    (tmp_path / "hold-1").touch()
    words = ("-m", "hydra.sweep.dir=out", "+main.x=1,2", "hydra.launcher.max_parallel=1")
    launcher = start("counted", *words)
    until((tmp_path / "calls.txt").exists)
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate()
    slots = Slots(["cpu0"], tmp_path / "forgather" / "slots")
    assert slots.take(1) is None
    (tmp_path / "hold-1").unlink()
    until((tmp_path / "out/0/.launch/result.json").exists)
    until(lambda: slots.take(1) is not None)
    slots.free([0])
    done = sweep("counted", *words[2:])
    assert "1 of 2 jobs is finished already" in done.stdout
    assert (tmp_path / "calls.txt").read_text().split() == ["1", "2"]
    assert json.loads((tmp_path / "out/1/.launch/result.json").read_text())["status"] == "finished"

"""Jobs of one process are forked: what they have in common, what not, and what outlives what."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.jobs.local import forked
from forgather_hydra.jobs.local.fork_server import Server
from forgather_hydra.jobs.local.slots import Slots

Run = Callable[..., Any]
FORKED = "+main={_target_: forked_tasks.TASK, _partial_: true, x: 1},"
FORKED += "{_target_: forked_tasks.TASK, _partial_: true, x: 2}"


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "loaded", "device"),
    [
        (("hydra.launcher.devices=none",), True, ""),
        (("hydra.launcher.devices=none", "+hydra.job.env_set.HF_HUB_OFFLINE=1"), False, ""),
        (
            ("hydra.launcher.devices=[4,6]", "hydra.launcher.env={CUDA_VISIBLE_DEVICES: 5}"),
            False,
            "5",
        ),
    ],
    ids=["alike", "variables", "devices"],
)
def test_what_takes_long_is_imported_once_if_that_changes_nothing(
    sweep: Run, saved: Run, words: tuple[str, ...], loaded: bool, device: str
) -> None:
    sweep("", FORKED.replace("TASK", "drawn"), *words)
    one, two = (job["metrics"] for job in saved()["jobs"])
    assert [(each["loaded"], each["device"]) for each in (one, two)] == [(loaded, device)] * 2
    assert not set(one["numbers"]) & set(two["numbers"])
    assert [Path(each["argv"][1]).name for each in (one, two)] == ["0", "1"]


def test_what_takes_long_is_imported_while_jobs_are_checked(sweep: Run, tmp_path: Path) -> None:
    main = "+main={_target_: forked_tasks.parent, _partial_: true}"
    trained = ("+trainer._target_=forgather_hydra.train.Trainer", "+trainer._partial_=true")
    checked = "+preflight._target_=forked_tasks.check"
    sweep("", main, *trained, checked, "+main.x=1,2", "hydra.launcher.devices=none")
    records = [json.loads((tmp_path / f"out/{n}/run.json").read_text()) for n in range(2)]
    (parent,) = {record["result"]["parent"] for record in records}
    assert parent in json.loads((tmp_path / "checked").read_text())


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


@pytest.fixture
def told_server(monkeypatch: pytest.MonkeyPatch) -> tuple[forked.ForkServer, socket.socket]:
    """A server, and the connection by which a test answers in its place."""
    ends: list[socket.socket] = []

    def start(command: list[str], **_: Any) -> None:
        ends.append(socket.socket(fileno=os.dup(int(command[4]))))

    monkeypatch.setattr(forked.subprocess, "Popen", start)
    server = forked.ForkServer({})
    return server, ends[0]


def test_a_job_may_get_the_number_of_one_that_has_ended(
    told_server: tuple[forked.ForkServer, socket.socket],
) -> None:
    server, end = told_server
    for message in ({"ready": True}, {"started": 7}, {"ended": 7, "status": 3}, {"started": 7}):
        end.send(json.dumps(message).encode())
    first, second = (server.start(Path("0"), {}, Path("log")) for _ in range(2))
    assert first
    assert second
    assert (first.status(), second.status()) == (3, None)
    end.recv(1000), end.recv(1000)  # both starts
    first.signal(signal.SIGTERM)
    second.signal(signal.SIGINT)
    assert json.loads(end.recv(1000)) == {"signal": signal.SIGINT, "pid": 7}


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """What a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_job_is_ended_if_ctrl_c_comes_while_it_is_started(
    told_server: tuple[forked.ForkServer, socket.socket],
) -> None:
    server, end = told_server
    asked: list[Any] = []

    def answer() -> None:
        asked.append(json.loads(end.recv(1000)))
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        end.send(b'{"started": 7}')
        asked.append(json.loads(end.recv(1000)))
        end.send(b'{"ended": 7, "status": -9}')

    end.send(b'{"ready": true}')
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        server.start(Path("0"), {}, Path("log"))
    thread.join(10)
    assert asked[1:] == [{"signal": signal.SIGKILL, "pid": 7}]


def test_a_job_is_killed_before_it_has_a_group_of_its_own() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        server = Server.__new__(Server)
        server.jobs = {process.pid}
        server.signal(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_server_is_of_one_folder_and_environment(
    told_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked, "_last", [])
    first = forked.fork_server({"A": "1"})
    assert forked.fork_server({"A": "1", "ADDED_BY_AN_IMPORT": "1"}) is first
    assert forked.fork_server({"A": "2"}) is not first
    here = forked.fork_server({"A": "1"})
    here._is_used = True
    assert forked.fork_server({"A": "1"}) is here
    assert forked.fork_server({"A": "1", "ADDED": "1"}) is not here
    elsewhere = forked.fork_server({"A": "1"})
    monkeypatch.chdir(tmp_path)
    assert forked.fork_server({"A": "1"}) is not elsewhere

"""What ``forgather`` tells about jobs from another terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from forgather_hydra.cli.forgather import main
from forgather_hydra.jobs.watch.view import View, counts, most_telling, table
from forgather_hydra.rundir.launch import is_owned, launching, owned
from forgather_hydra.rundir.names import GIVEN_UP

Run = Callable[..., Any]


class Outcome(NamedTuple):
    """What a command has told."""

    code: int
    out: str
    error: str


@pytest.fixture
def forgather(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        code = stop.value.code
        assert isinstance(code, int)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def out(sweep: Run, tmp_path: Path) -> Path:
    """A sweep: job 0 is finished, job 1 has failed, job 2 has not begun."""
    sweep("fails", "+main.x=0,1,6", "hydra.launcher.on_error=continue", expect=1)
    out = tmp_path / "out"
    shutil.rmtree(out / "2")
    return out


def test_what_has_ended_cannot_be_cancelled(forgather: Run, out: Path) -> None:
    assert forgather("cancel", "out", "0", "1") == (
        0,
        "job 0 neither runs nor waits (finished)\njob 1 neither runs nor waits (failed)\n",
        "",
    )
    assert forgather("cancel", "out", "2").out == "job 2 neither runs nor waits (not run)\n"
    with launching(out):
        assert forgather("cancel", "out").out == "job 2 will not be started\n"
    assert (out / "2/.launch" / GIVEN_UP).exists()
    assert forgather("cancel", "out", "2").out == "job 2 neither runs nor waits (cancelled)\n"
    assert forgather("cancel", "out", "--save").out == "no job runs or waits\n"


def test_logs_of_what_has_none(forgather: Run, out: Path) -> None:
    assert "one is not wanted" in forgather("logs", "out", "1").out
    with launching(out):
        assert forgather("logs", "out", "2") == (1, "", "job 2 has not started (queued)\n")
    told = forgather("logs", "out", "2", "-f")  # for which nobody is left to wait
    assert told == (1, "", "job 2 has not started (not run)\n")
    (out / "2/.launch").mkdir(parents=True)
    (out / "2/.launch" / GIVEN_UP).touch()
    (out / "2/.launch/result.json").write_text('{"status": "stopped"}')  # as it had to
    told = forgather("logs", "out", "2", "-f")  # which waits for nothing
    assert told == (1, "", "job 2 has not started (cancelled)\n")
    assert forgather("logs", "out", "0") == (0, "", "job 0 has printed nothing (finished)\n")


def test_logs_go_on_with_the_next_attempt(forgather: Run, out: Path) -> None:
    logs = [out / f"0/.launch/attempt_{number}/rank_0.log" for number in (1, 2)]
    logs[1].parent.mkdir()
    logs[1].write_bytes(b"caf\xc3\xa9 \xff\x00\n")
    assert forgather("logs", "out", "-f").out == "caf\u00e9 \ufffd\x00\n"


def test_jobs_and_processes_that_there_are_not(forgather: Run, out: Path) -> None:
    for words in (("cancel", "out", "0", "7"), ("logs", "out", "7")):
        assert forgather(*words) == (2, "", "error: out holds no job 7, but 0 to 2\n")
    told = forgather("logs", "out", "0", "--rank", "1")
    assert told == (2, "", "error: job 0 has no process 1, but process 0\n")


def test_directories_that_hold_no_sweep(forgather: Run, out: Path, tmp_path: Path) -> None:
    for command in ("status", "logs", "cancel", "results", "sweep show"):
        code, told, error = forgather(*command.split(), "nowhere")
        assert (code, told) == (2, "")
        assert "there is no directory nowhere" in error
        assert f"the newest sweep below it is {out.name}" in forgather(*command.split(), ".").error
        assert "that of job 0; name the sweep's, " in forgather(*command.split(), "out/0").error
    assert not (tmp_path / "nowhere").exists()


def test_results_of_a_sweep_that_goes_on(forgather: Run, out: Path) -> None:
    lines = forgather("results", "out").out.splitlines()
    assert [line.split()[-2] for line in lines[3:6]] == ["finished", "failed", "run"]
    with launching(out):
        lines = forgather("results", "out").out.splitlines()
    assert [line.split()[-2] for line in lines[3:6]] == ["finished", "queued", "failed"]


def test_what_a_search_has_pruned_stays_pruned(forgather: Run, out: Path, saved: Run) -> None:
    content = saved()
    content["jobs"][0]["status"] = "pruned"
    (out / "sweep.json").write_text(json.dumps(content))
    assert "pruned" in forgather("results", "out").out
    assert saved()["jobs"][0]["status"] == "pruned"
    assert saved()["best"] is None


def test_a_sweep_that_was_moved(forgather: Run, out: Path, sweep: Run) -> None:
    out.rename(out.with_name("moved"))
    assert "finished" in forgather("status", "moved").out.splitlines()[1]
    told = forgather("results", "moved")
    assert "best: job 0, eval_loss 0" in told.out
    assert "page: moved/results.html" in told.out
    done = sweep("fails", "+main.x=0,6", "hydra.sweep.dir=moved")
    assert "1 of 2 jobs is finished already" in done.stdout
    content = json.loads(out.with_name("moved").joinpath("sweep.json").read_text())
    assert not [job for job in content["jobs"] if Path(job["directory"]).is_absolute()]


def test_results_that_cannot_be_saved_are_printed(forgather: Run, out: Path) -> None:
    (out / ".sweep.lock").unlink()
    (out / ".sweep.lock").mkdir()  # root may write whatever the permissions are
    told = forgather("results", "out")
    assert told.code == 0
    assert "best: job 0, eval_loss 0" in told.out
    assert "the results are not saved: " in told.error


def test_results_of_another_launcher(forgather: Run, sweep: Run) -> None:
    sweep("fails", "+main.x=0,1", "hydra/launcher=basic", expect=1)
    told = forgather("status", "out")
    assert told.code == 2
    assert "forgather results out shows how they ended" in told.error
    assert "best: job 0, eval_loss 0" in forgather("results", "out").out


def test_tables_are_broken_for_terminals_only(
    forgather: Run, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = out / "1/.launch/result.json"
    result.write_text(json.dumps({"status": "failed", "error": "long " * 40}))
    monkeypatch.delenv("COLUMNS", raising=False)
    assert "long " * 40 in forgather("status", "out").out
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, forgather("status", "out").out.splitlines())) == 80


def test_what_a_sweep_is(forgather: Run, out: Path) -> None:
    code, told, _ = forgather("sweep", "show", "out")
    assert code == 1  # a job has failed
    assert told.startswith("3 jobs, launched ")
    assert "-m forgather_hydra -m" in told


def test_a_cluster_says_how_jobs_failed(
    forgather: Run, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(out / "1")
    (out / "2/.launch").mkdir(parents=True)
    (out / "2/.launch/place.json").write_text(json.dumps({"id": "31", "place": "slurm 31"}))
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho '31|TIMEOUT|None|'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    told = forgather("status", "out")
    assert told.code == 1
    assert "timeout" in told.out
    assert forgather("cancel", "out", "2").out == "job 2 neither runs nor waits (timeout)\n"
    (out / "2/.launch/result.json").write_text('{"status": "stopped"}')  # it was told to end
    squeue.write_text("#!/bin/sh\necho '31|CANCELLED|None|'\n")
    assert "cancelled" in forgather("status", "out").out.splitlines()[3]
    assert "cancelled" in forgather("results", "out").out
    (out / "2/.launch/result.json").unlink()
    squeue.write_text("#!/bin/sh\nexit 1\n")
    shutil.copy(squeue, tmp_path / "scancel")
    told = forgather("status", "out")
    assert (told.code, told.error.count("does not answer")) == (0, 1)
    assert "queued" in told.out.splitlines()[3]
    told = forgather("cancel", "out", "2")
    assert told[:2] == (1, "job 2 (31) is not cancelled: scancel has failed\n")
    assert "queued" in forgather("status", "out").out.splitlines()[3]


def test_the_table_shows_what_matters_where_there_is_no_room() -> None:
    states = ["finished"] * 20 + ["failed", "running"] + ["queued"] * 20 + ["running"]
    views = [
        View(
            number, state, "word " * 20, note="note " * 20, is_over=state in ("finished", "failed")
        )
        for number, state in enumerate(states)
    ]
    assert [view.number for view in most_telling(views, 5)] == [21, 22, 23, 24, 42]
    assert most_telling(views, 43) == views
    assert counts(views) == "43 jobs: 20 finished, 20 queued, 2 running, 1 failed"
    console = Console(width=80, file=io.StringIO())
    with console.capture() as capture:
        console.print(table(views[:3], folds=False))
    assert len(capture.get().splitlines()) == 4


def test_what_was_interrupted_has_neither_died_nor_finished(forgather: Run, out: Path) -> None:
    job = out / "0"
    (job / ".launch/result.json").unlink()
    facts = {"place": "CPU", "host": socket.gethostname(), "time": time.time()}
    for pid, status, expected in (
        (os.getpid(), "interrupted", "starting"),
        (2**22 + 1, "interrupted", "interrupted"),
        (2**22 + 1, "running", "died"),
    ):
        begun = facts["time"] + (-1 if pid == os.getpid() else 1)  # by the start before, or by this
        started = datetime.fromtimestamp(begun, UTC).isoformat()
        attempt = {"started": started, "host": socket.gethostname(), "pid": pid}
        record = {"signature": "s", "overrides": [], "attempts": [attempt], "status": status}
        (job / ".launch/attempt_1/place.json").write_text(json.dumps(facts | {"pid": pid}))
        (job / "run.json").write_text(json.dumps(record))
        assert expected in forgather("status", "out").out.splitlines()[1]


def test_a_look_does_not_keep_a_job_from_starting(tmp_path: Path) -> None:
    with owned(tmp_path) as is_mine:
        assert is_mine
        assert is_owned(tmp_path)
        with owned(tmp_path) as is_mine_too:
            assert not is_mine_too
    looks = os.open(tmp_path / ".launch/OWNER", os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [looks]).start()
    with owned(tmp_path) as is_mine:
        assert is_mine

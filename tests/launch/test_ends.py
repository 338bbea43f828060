"""However a launcher on this machine ends, short of being killed: none of its jobs goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from forgather_hydra.jobs.local.told_to_end import taken_as_ctrl_c

Run = Callable[..., Any]


def pids(*paths: Path) -> list[int]:
    """The processes that files name, once they do."""
    deadline = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [int(pid) for path in paths for pid in path.read_text().split()]


def all_gone(found: list[int]) -> bool:
    """Whether these end in a moment; those that nobody waits for have ended, too."""
    deadline = time.monotonic() + 10
    while living := [pid for pid in found if is_alive(pid)]:
        if time.monotonic() > deadline:
            for pid in living:
                os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_terminal_that_is_closed_ends_the_jobs(start: Run, tmp_path: Path) -> None:
    process = start("stubborn", "-m", "hydra.sweep.dir=out", "+main.x=1,2")
    jobs = pids(tmp_path / "pids-1", tmp_path / "pids-2")
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)  # as a shell and the kernel do
    process.stderr.read()
    assert process.wait(60) != 0
    assert all_gone(jobs)
    assert "interrupted" in (tmp_path / "out/results.csv").read_text()


def test_an_output_that_nobody_reads_ends_the_jobs(start: Run, tmp_path: Path) -> None:
    process = start("stubborn", "-m", "hydra.sweep.dir=out", "+main.x=1,2")
    jobs = pids(tmp_path / "pids-1", tmp_path / "pids-2")
    process.stdout.close()
    os.kill(jobs[0], signal.SIGKILL)  # which is worth a line
    error = process.stderr.read()
    assert process.wait(60) == 1
    assert error == (
        "error: [Errno 32] Broken pipe\n"
        "  what had been started has been ended\n"
        "  the same command with hydra.sweep.dir=out goes on where it was\n"
    )
    assert all_gone(jobs)


def test_processes_of_a_job_end_however_the_first_of_them_does(start: Run, tmp_path: Path) -> None:
    words = ("+main.x=1", "resources.nproc_per_node=2", "hydra.launcher.on_error='retry(1)'")
    process = start("deaf", "-m", "hydra.sweep.dir=out", *words)
    first, torchrun, second, _ = pids(tmp_path / "deaf-1-0", tmp_path / "deaf-1-1")
    os.kill(torchrun, signal.SIGKILL)
    assert all_gone([first, second])

    again = pids(tmp_path / "deaf-2-0", tmp_path / "deaf-2-1")
    process.send_signal(signal.SIGTERM)
    assert any("Ctrl-C again" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert error.endswith(
        "interrupted; the same command with hydra.sweep.dir=out goes on where it was\n"
    )
    assert all_gone(again)


def test_signals_that_are_ignored_stay_so() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        with taken_as_ctrl_c():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_launch_from_another_thread_leaves_signals_alone() -> None:
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with taken_as_ctrl_c():
                assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not failures


def test_a_terminal_tells_it_twice_and_is_heard_once() -> None:
    """The shell and the kernel both do; the second time jobs are being ended."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGHUP, signal.SIGTERM)}
    try:
        with taken_as_ctrl_c():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert {signal.getsignal(each) for each in before} == {signal.SIG_DFL}
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

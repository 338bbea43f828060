"""The folder ``.launch`` in the directory of a job or a sweep: attempts, owner, place, result."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import is_locked, locked_by_nobody_else, read_json
from forgather_hydra.rundir.names import (
    ATTEMPT_PREFIX,
    FAILURE,
    GIVEN_UP,
    LAUNCH,
    LAUNCHER,
    OWNER,
    PAYLOAD,
    PLACE,
    RESULT,
    RETURN,
    TRACEBACK,
)
from forgather_hydra.rundir.states import State


def launch_dir(directory: Path) -> Path:
    """The launcher's own folder in the directory of a job or a sweep."""
    return directory / LAUNCH


def is_launched(directory: Path) -> bool:
    """Whether a launcher was given a job there."""
    return (launch_dir(directory) / PAYLOAD).exists()


@contextmanager
def owned(directory: Path, attempt: str = "") -> Iterator[bool]:
    """Own a job, unless another process does; whoever just looks keeps the lock for a moment.

    Args:
        directory: of the job.
        attempt: the folder of the owner's logs, by which others find it.
    """
    with locked_by_nobody_else(launch_dir(directory) / OWNER) as descriptor:
        if descriptor is not None and attempt:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, attempt.encode())
        yield descriptor is not None


def is_owned(directory: Path) -> bool:
    """Whether a process of the job is alive."""
    return is_locked(launch_dir(directory) / OWNER)


@contextmanager
def launching(sweep_dir: Path) -> Iterator[None]:
    """Let others know that jobs of a sweep are being launched; several launchers may do so."""
    path = launch_dir(sweep_dir) / LAUNCHER
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def is_launching(sweep_dir: Path) -> bool:
    """Whether a launcher is at work in a sweep's directory."""
    return is_locked(launch_dir(sweep_dir) / LAUNCHER, by_several=True)


def attempts(directory: Path) -> list[Path]:
    """The folders of a job's attempts, each with a log of every process, oldest first."""
    numbers = {
        int(number): path
        for path in launch_dir(directory).glob(f"{ATTEMPT_PREFIX}*")
        if (number := path.name.rpartition("_")[2]).isdecimal()
    }
    return [numbers[number] for number in sorted(numbers)]


def new_attempt(directory: Path) -> Path:
    """The folder of the next attempt at a job, which no other launcher has."""
    while True:
        folder = launch_dir(directory) / f"{ATTEMPT_PREFIX}{len(attempts(directory)) + 1}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def place_of(directory: Path) -> dict[str, Any]:
    """Where a job was started last; of several starts at a time the one that became its owner.

    Empty where it was not, or the file says nothing of use.
    """
    folder = launch_dir(directory)
    is_alive = is_owned(directory)
    newest = [path.name for path in attempts(directory)[-1:]]
    attempt = (_text(folder / OWNER) if is_alive else "") or "".join(newest)
    here = _place(folder / attempt / PLACE) if attempt else {}
    there = _place(folder / PLACE)
    if here and (is_alive or not there or here["time"] >= there["time"]):
        return here
    return there


def _place(path: Path) -> dict[str, Any]:
    """What a file says about a start, if it says enough to find it."""
    found = read_json(path) or {}
    is_process = isinstance(found.get("host"), str) and isinstance(found.get("pid"), int)
    is_known = isinstance(found.get("id"), str) or is_process
    return {"time": 0.0, **found} if is_known else {}


def result_of(directory: Path) -> dict[str, Any] | None:
    """``status``, and ``value`` or ``error``, of a job that has ended."""
    found = read_json(launch_dir(directory) / RESULT)
    known = (State.FINISHED, State.FAILED, State.STOPPED)
    return found if found and found.get("status") in known else None


def is_given_up(directory: Path) -> bool:
    """Whether the user does not want a job any more."""
    return given_up_at(directory) is not None


def given_up_at(directory: Path) -> float | None:
    """When the user has said so, in seconds since 1970."""
    try:
        return (launch_dir(directory) / GIVEN_UP).stat().st_mtime
    except OSError:
        return None


def give_up(directory: Path) -> None:
    """Note that the user does not want a job any more."""
    launch_dir(directory).mkdir(parents=True, exist_ok=True)
    (launch_dir(directory) / GIVEN_UP).touch()


def forget_outcome(directory: Path) -> None:
    """Make way for another attempt."""
    for name in (RESULT, RETURN, FAILURE, GIVEN_UP):
        (launch_dir(directory) / name).unlink(missing_ok=True)
    (directory / TRACEBACK).unlink(missing_ok=True)


def shell_log(directory: Path) -> Path | None:
    """What the shell around a cluster's job has printed, once there is such a file."""
    log = place_of(directory).get("log")
    return Path(log) if isinstance(log, str) and Path(log).is_file() else None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")

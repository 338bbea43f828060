"""The files by which a launcher, its workers and other terminals know about a job."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forgather_hydra.rundir.files import locked, read_json

LAUNCH = ".launch"  # in the directory of a job, and in that of a sweep
PAYLOAD = "payload.pkl"  # the job as it was composed
RESULT = "result.json"  # how it ended; written once, by its first process
RETURN = "return.pkl"  # what it returned, as Hydra has it
OWNER = "OWNER"  # locked by the first process of the job while it lives
LAUNCHER = "LAUNCHER"  # beside a sweep; locked while somebody launches jobs of it
PLACE = "place.json"  # where it was started last: a device, or the id of a cluster's job
FAILURE = "failure.json"  # what the process said that failed first
USED_UP = "USED_UP"  # it is not finished, but has been queued as often as is allowed
GIVEN_UP = "CANCELLED"  # the user does not want it any more
FIRST_ATTEMPT = "attempt_1"
TORCHRUN_LOG = "torchrun.log"  # in the folder of an attempt, where torchrun starts it
TRACEBACK = "traceback.txt"  # beside the job's own outputs


def launch_dir(directory: Path) -> Path:
    """The launcher's own folder in the directory of a job or a sweep."""
    return directory / LAUNCH


@contextmanager
def owned(directory: Path) -> Iterator[bool]:
    """Own a job, unless another process does; whoever just looks keeps the lock for a moment."""
    for is_last in (*[False] * 20, True):
        with locked(launch_dir(directory) / OWNER) as mine:
            if mine is not None or is_last:
                yield mine is not None
                return
        time.sleep(0.02)


def is_owned(directory: Path) -> bool:
    """Whether a process of the job is alive."""
    return _is_locked(launch_dir(directory) / OWNER, fcntl.LOCK_SH)


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
    return _is_locked(launch_dir(sweep_dir) / LAUNCHER, fcntl.LOCK_EX)


def _is_locked(path: Path, kind: int) -> bool:
    """Whether another process keeps this one from such a lock; of another user's files as well."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def attempts(directory: Path) -> list[Path]:
    """The folders of a job's attempts, each with a log of every process, oldest first."""
    found = launch_dir(directory).glob("attempt_*")
    return sorted(found, key=lambda path: int(path.name.rpartition("_")[2]))


def new_attempt(directory: Path) -> Path:
    """The folder of the next attempt at a job."""
    folder = launch_dir(directory) / f"attempt_{len(attempts(directory)) + 1}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shell_log(directory: Path) -> Path | None:
    """What the shell around a cluster's job has printed, once there is such a file."""
    log = (read_json(launch_dir(directory) / PLACE) or {}).get("log")
    return Path(log) if log and Path(log).is_file() else None

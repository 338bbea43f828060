"""A job's processes on this machine: their command and environment, their start and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

GRACE_S = 30.0  # from asking a job to end until it is killed

# What the processes of one job are told about each other must not reach those of another.
OF_OTHERS = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"),
    *("MASTER_ADDR", "MASTER_PORT", "NODE_RANK"),
)


def worker_command(
    directory: Path, attempt: Path, procs: int, modules: Sequence[str] = ()
) -> list[str]:
    """The command that runs a job in `procs` processes.

    ``-P`` keeps the working directory out of the way of a snapshot.

    Args:
        directory: of the job.
        attempt: the folder of its logs.
        procs: how many processes it has.
        modules: what they need, for several to be forked with.
    """
    python, words = [sys.executable, "-P", "-m"], [str(directory), str(attempt)]
    if procs == 1:
        return [*python, "forgather_hydra.jobs.worker", *words]
    folder, needed = str(attempt / "torchrun"), ",".join(modules)
    return [*python, "forgather_hydra.jobs.local.ranks", folder, str(procs), needed, *words]


def worker_environment(
    import_path: Sequence[str],
    threads: int,
    own: Mapping[str, str],
) -> dict[str, str]:
    """The environment of a job: this process's, with what is the job's alone.

    Args:
        import_path: where it looks for modules.
        threads: of each process, unless the user's environment says so.
        own: variables of this job.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in OF_OTHERS and not name.startswith("TORCHELASTIC_")
    }
    environment["PYTHONPATH"] = os.pathsep.join(import_path)
    environment.setdefault("OMP_NUM_THREADS", str(threads))
    return environment | dict(own)


class JobProcess(ABC):
    """A job's processes, in a session of their own: nothing that ends them reaches another job.

    Attributes:
        pid: of the first of them, and of their group.
    """

    pid: int
    _kill_at: float | None = None

    @abstractmethod
    def status(self) -> int | None:
        """The exit status, once the first process has ended and its group has been killed."""

    @abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Signal the first process, if it has not ended."""

    @abstractmethod
    def kill(self) -> None:
        """End all processes at once, and wait for it."""

    def poll(self) -> int | None:
        """The exit status, once all is over; kills what has been asked to end and did not."""
        status = self.status()
        if status is None and self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.kill()
            return self.status()
        return status

    def ask_to_end(self) -> None:
        """Have the job save what it can, and end."""
        if self._kill_at is None:
            self._kill_at = time.monotonic() + GRACE_S
            self.signal(signal.SIGTERM)


class SpawnedJob(JobProcess):
    """A job in new processes.

    Args:
        command: as of `worker_command`.
        environment: as of `worker_environment`.
        log: gets what they print.
        keep_open: descriptors that they inherit.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        keep_open: Sequence[int] = (),
    ) -> None:
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(keep_open),
            )
        self.pid = self.process.pid

    def status(self) -> int | None:
        if self.process.returncode is None and has_ended(self.pid):
            kill_group(self.pid)
        return self.process.poll()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process.returncode is None:
            ranks = psutil.Process(self.pid).children()  # torchrun gives each a group of its own
            for pid in (self.pid, *(rank.pid for rank in ranks)):
                kill_group(pid)
            self.process.wait()


def has_ended(pid: int) -> bool:
    """Whether a child of this process has ended.

    It is not waited for: until then nobody else gets the number of its group.
    """
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def kill_group(pid: int) -> None:
    """End a process and those that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def exit_message(status: int) -> str:
    """Why a process ended, from its exit status."""
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"the process left with exit status {status} and no result"

"""Jobs that a fork server starts for the launcher."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from forgather_hydra.jobs.local.processes import JobProcess, kill_group

LARGEST = 1 << 16  # bytes of a message


_last: list[ForkServer] = []


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """The server for jobs in such an environment and this folder.

    A search of many launches has them all served by one.

    Args:
        environment: of the jobs, as of `worker_environment`.
    """
    if not (_last and _last[0].is_alive and _last[0].serves(environment, os.getcwd())):
        _last[:] = [ForkServer(environment)]
    return _last[0]


class ForkServer:
    """Starts jobs of one process each in a few hundredths of a second.

    Args:
        environment: of the jobs, as of `worker_environment`.

    The server ends with this process, or when nobody has this object any more; jobs go on.

    Attributes:
        is_alive: whether the server is.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._environment, self._folder, self._is_used = dict(environment), os.getcwd(), False
        self._running: dict[int, ForkedJob] = {}
        self._is_ready, self.is_alive = False, True
        command = [sys.executable, "-P", "-m", "forgather_hydra.jobs.local.fork_server"]
        with theirs:
            # What goes wrong in it goes wrong in jobs as well, and is told there.
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    def serves(self, environment: Mapping[str, str], folder: str) -> bool:
        """Whether it starts what a new one in such an environment and folder would start.

        What the imports of this process have added, until the first job, its own add as well.
        """
        is_same = self._environment == environment
        is_added_to = not self._is_used and self._environment.items() <= environment.items()
        if folder != self._folder or not (is_same or is_added_to):
            return False
        self._environment = dict(environment)
        return True

    def have_imported(self, modules: Sequence[str]) -> None:
        """Have modules imported before the next job is started; nobody waits for it."""
        self.tell({"modules": [*modules]})

    def start(
        self,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        keep_open: Sequence[int] = (),
    ) -> ForkedJob | None:
        """Start a job; return None if the server has died.

        Args:
            directory: of the job.
            environment: what is the job's alone.
            log: gets what it prints.
            keep_open: descriptors that it inherits.
        """
        self._is_used = True
        while self.is_alive and not self._is_ready:
            self._receive()
        words = {"directory": str(directory), "environment": environment, "log": str(log)}
        self.tell(words, keep_open)
        try:
            return self._started()
        except KeyboardInterrupt:
            if job := self._started():  # nobody would know of it
                job.kill()
            raise

    def tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send the server a message."""
        with suppress(ConnectionError):
            socket.send_fds(self._channel, [json.dumps(message).encode()], list(descriptors))

    def wait(self, seconds: float) -> None:
        """Wait for news of jobs, at most for so long."""
        while self.is_alive and select.select([self._channel], [], [], seconds)[0]:
            self._receive()
            seconds = 0

    def _started(self) -> ForkedJob | None:
        while self.is_alive:
            if pid := self._receive().get("started"):
                return self._running[pid]
        return None

    def _receive(self) -> dict[str, Any]:
        select.select([self._channel], [], [])  # where Ctrl-C may come: no message is lost here
        try:
            message = json.loads(self._channel.recv(LARGEST) or "{}")
        except ConnectionResetError:
            message = {}
        if not message:
            self.is_alive = False
            for job in self._running.values():  # nobody would learn how they end
                kill_group(job.pid)
                job.exit_status = -signal.SIGKILL
            self._running = {}
        self._is_ready |= "ready" in message
        if "started" in message:
            self._running[message["started"]] = ForkedJob(self, message["started"])
        if "ended" in message:
            self._running.pop(message["ended"]).exit_status = message["status"]
        return dict(message)


class ForkedJob(JobProcess):
    """A job that a fork server has started.

    Attributes:
        exit_status: None until the server has told it.
    """

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server = server
        self.pid = pid
        self.exit_status: int | None = None

    def status(self) -> int | None:
        self.server.wait(0)
        return self.exit_status

    def signal(self, number: signal.Signals) -> None:
        if self.exit_status is None:  # else the number may be another job's
            self.server.tell({"signal": number, "pid": self.pid})

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        while self.status() is None:
            self.server.wait(1)

"""Jobs that a fork server starts for the launcher."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from forgather_hydra.launchers.process import JobProcess, kill_group

LARGEST = 1 << 16  # bytes of a message


@lru_cache(maxsize=1)
def fork_server(
    task: Path, environment: tuple[tuple[str, str], ...], modules: tuple[str, ...]
) -> ForkServer:
    """The server for such jobs; a search of many launches has them all served by one."""
    return ForkServer(task, dict(environment), modules)


class ForkServer:
    """Starts jobs of one process each in a few hundredths of a second.

    Args:
        task: the file that the jobs share.
        environment: of the jobs, as of `worker_environment`.
        modules: to be imported before.

    The server ends with this process, or when nobody has this object any more; jobs go on.

    Attributes:
        is_alive: whether the server is.
    """

    def __init__(self, task: Path, environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._running: set[int] = set()
        self._ended: dict[int, int] = {}
        self._is_ready, self.is_alive = False, True
        command = [sys.executable, "-P", "-m", "forgather_hydra.launchers.fork_server"]
        with theirs:
            # What goes wrong in it goes wrong in jobs as well, and is told there.
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(task), *modules],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

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
        while self.is_alive and not self._is_ready:
            self._receive()
        words = {"directory": str(directory), "environment": environment, "log": str(log)}
        self.tell(words, keep_open)
        while self.is_alive:
            if pid := self._receive().get("started"):
                self._running.add(pid)
                return ForkedJob(self, pid)
        return None

    def tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send the server a message."""
        with suppress(BrokenPipeError):
            socket.send_fds(self._channel, [json.dumps(message).encode()], list(descriptors))

    def status(self, pid: int) -> int | None:
        """The exit status of a job that has ended."""
        self.wait(0)
        return self._ended.get(pid)

    def wait(self, seconds: float) -> None:
        """Wait for news of jobs, at most for so long."""
        while self.is_alive and select.select([self._channel], [], [], seconds)[0]:
            self._receive()
            seconds = 0

    def _receive(self) -> dict[str, Any]:
        try:
            message = json.loads(self._channel.recv(LARGEST) or "{}")
        except ConnectionResetError:
            message = {}
        if not message:
            self.is_alive = False
            for pid in self._running:  # nobody would learn how they end
                kill_group(pid)
                self._ended[pid] = -signal.SIGKILL
            self._running = set()
        self._is_ready |= "ready" in message
        if "ended" in message:
            self._running.remove(message["ended"])
            self._ended[message["ended"]] = message["status"]
        return dict(message)


class ForkedJob(JobProcess):
    """A job that a fork server has started."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server = server
        self.pid = pid

    def status(self) -> int | None:
        return self.server.status(self.pid)

    def signal(self, number: signal.Signals) -> None:
        self.server.tell({"signal": number, "pid": self.pid})

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        while self.status() is None:
            self.server.wait(1)

"""A process that starts jobs by forking: they find imported what they would import first.

Its other end is `forked.ForkServer`. It waits for the jobs, and lives as long as the launcher.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from forgather_hydra.garbage import look_seldom
from forgather_hydra.jobs import worker
from forgather_hydra.jobs.local.forked import LARGEST
from forgather_hydra.jobs.local.processes import has_ended, kill_group
from forgather_hydra.large_tensors import align_large_tensors

MOST_SLOTS = 64  # of a job


def main() -> None:
    """Entry point; argument: a socket's descriptor."""
    look_seldom()
    align_large_tensors()
    start = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if start is not None:
        become(start)


class Server:
    """Does what the launcher asks for.

    Args:
        launcher: connection to it.
    """

    def __init__(self, launcher: socket.socket) -> None:
        self.launcher = launcher
        self.jobs: set[int] = set()
        self.wake, woken = self.wakers = socket.socketpair()
        for each in self.wakers:
            each.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)

    def serve(self) -> dict[str, Any] | None:
        """Serve until the launcher has gone.

        Returns:
            In the process of a job: the message that asked for it. In the server: None.
        """
        self.send(ready=True)
        while True:
            ready, _, _ = select.select([self.launcher, self.wake], [], [])
            if self.wake in ready:
                self.wake.recv(LARGEST)
                self.reap()
            if self.launcher in ready:
                content, locks, _, _ = socket.recv_fds(self.launcher, LARGEST, MOST_SLOTS)
                if not content:
                    return None
                message = json.loads(content)
                if "modules" in message:
                    have_imported(message["modules"])
                elif "directory" not in message:
                    self.signal(message["pid"], message["signal"])
                elif self.fork(locks):
                    return dict(message)

    def fork(self, locks: list[int]) -> bool:
        """Start a process, and return whether this is it."""
        pid = os.fork()
        if pid:
            self.jobs.add(pid)
            for descriptor in locks:
                os.close(descriptor)
            self.send(started=pid)
            return False
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self.launcher, *self.wakers):
            each.close()
        return True

    def signal(self, pid: int, number: int) -> None:
        """Signal a job; where it is SIGKILL, whatever the job has started as well."""
        if pid not in self.jobs:
            return
        if number == signal.SIGKILL:
            kill_group(pid)
        os.kill(pid, number)  # which may have no group of its own yet

    def reap(self) -> None:
        """Tell the launcher of each job that has ended."""
        for pid in [pid for pid in self.jobs if has_ended(pid)]:
            kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self.jobs.remove(pid)
            self.send(ended=pid, status=os.waitstatus_to_exitcode(status))

    def send(self, **message: int) -> None:
        with suppress(ConnectionError):  # the launcher has gone, as `serve` will see
            self.launcher.send(json.dumps(message).encode())


def have_imported(modules: list[str]) -> None:
    """Import modules; what jobs need not look at is never copied for them."""
    for name in modules:
        importlib.import_module(name)
    gc.freeze()


def become(start: dict[str, Any]) -> None:
    """Run a job in this process, as if it had been started for it."""
    os.setsid()
    log = os.open(start["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    os.environ.update(start["environment"])
    seed()
    sys.argv = [worker.__file__, start["directory"], str(Path(start["log"]).parent)]
    worker.main()


def seed() -> None:
    """Seed what would draw the same in each job; the standard library's generator sees to itself.

    The names of files in which `datasets` keeps what it has computed are drawn as well.
    """
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
    if "datasets.fingerprint" in sys.modules:
        sys.modules["datasets.fingerprint"].fingerprint_rng.seed()


if __name__ == "__main__":
    main()

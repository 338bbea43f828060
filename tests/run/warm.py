"""Command lines in forks of one process, which has imported what takes longer than a tiny run."""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

COMMAND_LINE = (
    "forgather_hydra.cli.app",
    "forgather_hydra.jobs.local.pool",
    "forgather_hydra.jobs.sweep_alone",
    "forgather_hydra.report.page",
    "forgather_hydra.sweep.sweeper",
)
TRAINING = (
    *COMMAND_LINE,
    "forgather_hydra.data.stories",
    "forgather_hydra.data.tokenizer",
    "forgather_hydra.model.build",
    "forgather_hydra.run.job",
    "forgather_hydra.train.run",
    "forgather_hydra.train.trainer",
    "torch.utils.tensorboard",
    "transformers.generation",
)
LARGEST = 1 << 16  # bytes of a message
TIMEOUT_S = 300


class WarmProcess:
    """Runs Python as in a process of its own, one at a time.

    Args:
        modules: what to import first; its variables are the only ones that these see.
    """

    def __init__(self, environment: Mapping[str, str], modules: Sequence[str]) -> None:
        self.connection, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self.connection.settimeout(TIMEOUT_S)
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno()), *modules]
            self.process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])

    def run(
        self, *words: str, cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m forgather_hydra`` to its end."""
        return self.python("-m", "forgather_hydra", *words, cwd=cwd, environment=environment)

    def python(
        self, *words: str, cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m`` or ``python -c`` to its end."""
        with TemporaryFile("w+") as out, TemporaryFile("w+") as error:
            self.start(*words, cwd=cwd, environment=environment, out=out, error=error)
            code = self.wait()
            texts = [file.seek(0) or file.read() for file in (out, error)]
            return subprocess.CompletedProcess(words, code, *texts)

    def start(
        self,
        *words: str,
        cwd: Path,
        environment: Mapping[str, str],
        out: IO[str],
        error: IO[str],
    ) -> int:
        """Start ``python -m`` or ``python -c``, to be waited for, and return its number."""
        message = json.dumps([str(cwd), dict(environment), words]).encode()
        socket.send_fds(self.connection, [message], [out.fileno(), error.fileno()])
        return int(self.connection.recv(LARGEST))

    def wait(self) -> int:
        """The exit status of what was started."""
        return int(self.connection.recv(LARGEST))

    @property
    def has_ended(self) -> bool:
        """Whether what was started has, and is yet to be waited for."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def close(self) -> None:
        self.connection.close()
        self.process.wait(TIMEOUT_S)


def main() -> None:
    """Entry point of the process; arguments: a socket's descriptor, what to import."""
    del sys.path[0]  # the folder of this file
    descriptor, *modules = sys.argv[1:]
    connection = socket.socket(fileno=int(descriptor))
    for name in modules:
        importlib.import_module(name)
    gc.freeze()
    while True:
        content, files, _, _ = socket.recv_fds(connection, LARGEST, 2)
        if not content:
            return
        pid = os.fork()
        if pid == 0:
            connection.close()
            become(*json.loads(content), files)
            return
        for each in files:
            os.close(each)
        connection.send(str(pid).encode())
        _, status = os.wait()
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(folder: str, environment: dict[str, str], words: list[str], files: list[int]) -> None:
    """Run Python with some words in this process, as if it had been started for it."""
    from forgather_hydra.jobs.local.fork_server import seed

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    seed()
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    flag, program, *sys.argv[1:] = words
    sys.orig_argv[:] = [sys.executable, *words]
    if flag == "-m":
        sys.modules.pop(program, None)
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = flag
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()

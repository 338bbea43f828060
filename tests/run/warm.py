"""Command lines in forks of one process, which has imported what takes longer than a tiny run."""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

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
    """Runs ``python -m forgather_hydra`` as in a process of its own, one at a time.

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
        """Run a command line to its end."""
        with TemporaryFile("w+") as out, TemporaryFile("w+") as error:
            message = json.dumps([str(cwd), dict(environment), words]).encode()
            socket.send_fds(self.connection, [message], [out.fileno(), error.fileno()])
            code = int(self.connection.recv(LARGEST))
            texts = [file.seek(0) or file.read() for file in (out, error)]
            return subprocess.CompletedProcess(words, code, *texts)

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
        if os.fork() == 0:
            connection.close()
            become(*json.loads(content), files)
            return
        for each in files:
            os.close(each)
        _, status = os.wait()
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(folder: str, environment: dict[str, str], words: list[str], files: list[int]) -> None:
    """Run a command line in this process, as if it had been started for it."""
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
    sys.argv[1:] = words
    sys.orig_argv[:] = [sys.executable, "-m", "forgather_hydra", *words]
    runpy.run_module("forgather_hydra", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

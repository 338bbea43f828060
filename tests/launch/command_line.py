"""Command lines, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

MODULES = Path(__file__).parent / "modules"
MAIN = "+main={_target_: launch_tasks.TASK, _partial_: true}"


class CommandLine:
    """Starts ``python -m forgather_hydra`` in a folder.

    Args:
        folder: an empty one; locks of slots are kept there too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        own = {"PYTHONPATH": str(MODULES), "OMP_NUM_THREADS": "1", "XDG_RUNTIME_DIR": str(folder)}
        self.environment = kept | own

    def words(self, task: str, *words: str) -> list[str]:
        """The command line with a task of `launch_tasks`, if any."""
        flags = [word for word in words if word == "-m"]  # these stand before overrides
        main = [MAIN.replace("TASK", task)] if task else []
        return [*flags, *main, *(word for word in words if word != "-m")]

    def start(self, task: str, *words: str, **extra: str) -> subprocess.Popen[str]:
        """Start it with a task of `launch_tasks`, if any, and variables of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "forgather_hydra", *self.words(task, *words)],
            cwd=self.folder,
            env=self.environment | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_signals,
        )


def _hear_signals() -> None:
    """As in a terminal: a shell that starts tests in the background has them ignore Ctrl-C, and
    `nohup` that it is closed.
    """
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)

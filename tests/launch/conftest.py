"""Sweeps of tiny jobs by our launchers, each command line in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from warm import WarmProcess


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """Command lines in an empty folder."""
    return CommandLine(tmp_path)


@pytest.fixture
def environment(command: CommandLine) -> dict[str, str]:
    """The environment of a command line: slots and modules of the test's own."""
    return command.environment


@pytest.fixture
def start(command: CommandLine) -> Callable[..., subprocess.Popen[str]]:
    """Start ``python -m forgather_hydra`` in an empty folder, with a task of `launch_tasks`."""
    return command.start


@pytest.fixture
def launch(
    command: CommandLine, warm: WarmProcess
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same, to its end, in a process that has imported what it needs."""

    def run(
        task: str, *words: str, expect: int = 0, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        environment = command.environment | extra
        done = warm.run(*command.words(task, *words), cwd=command.folder, environment=environment)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def sweep(launch: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``-m``, with the sweep's directory at `out`."""

    def run(task: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return launch(task, "-m", "hydra.sweep.dir=out", *words, **options)

    return run


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """The content of `sweep.json`."""
    return lambda: json.loads((tmp_path / "out" / "sweep.json").read_text())

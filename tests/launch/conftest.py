"""Sweeps of tiny jobs by our launchers, each command line in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MODULES = HERE / "modules"
MAIN = "+main={_target_: launch_tasks.TASK, _partial_: true}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a command line: slots and modules of the test's own."""
    kept = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    own = {"PYTHONPATH": str(MODULES), "OMP_NUM_THREADS": "1", "XDG_RUNTIME_DIR": str(tmp_path)}
    return kept | own


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start ``python -m forgather_hydra`` in an empty folder, with a task of `launch_tasks`."""

    def run(task: str, *words: str, **extra: str) -> subprocess.Popen[str]:
        flags = [word for word in words if word == "-m"]  # these stand before overrides
        words = tuple(word for word in words if word != "-m")
        main = [*flags, MAIN.replace("TASK", task)] if task else flags
        return subprocess.Popen(
            [sys.executable, "-m", "forgather_hydra", *main, *words],
            cwd=tmp_path,
            env=environment | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell that starts the tests in the background has them ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return run


@pytest.fixture
def launch(start: Any) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The same, to its end."""

    def run(
        task: str, *words: str, expect: int = 0, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        process = start(task, *words, **extra)
        out, error = process.communicate(timeout=150)
        assert process.returncode == expect, out + error
        return subprocess.CompletedProcess(words, process.returncode, out, error)

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

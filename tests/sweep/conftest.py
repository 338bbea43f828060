"""Sweeps of tiny jobs, each by the command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm import WarmProcess

HERE = Path(__file__).parent
Sweep = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def sweep(tmp_path: Path, warm: WarmProcess) -> Sweep:
    """Run ``python -m forgather_hydra -m`` in an empty folder; the sweep's directory is `out`."""
    environment = {**os.environ, "PYTHONPATH": str(HERE / "modules"), "OMP_NUM_THREADS": "1"}

    def run(*words: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        here = ("hydra.sweep.dir=out", "hydra/launcher=basic")  # jobs in series, in this process
        words = ("--config-dir", str(HERE / "conf"), "-m", *here, *words)
        done = warm.run(*words, cwd=tmp_path, environment=environment)
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """The content of `sweep.json`."""
    return lambda: json.loads((tmp_path / "out" / "sweep.json").read_text())

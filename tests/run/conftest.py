"""The command line in a process of its own, and one finished run that several tests look at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tiny_runs import TINY, Run
from warm import WarmProcess


@pytest.fixture(scope="session")
def job_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with a cache of its own, shared by the runs of this session."""
    cache = tmp_path_factory.mktemp("cache")
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session")
def forgather(job_environment: dict[str, str], warm_training: WarmProcess) -> Run:
    """Run ``python -m forgather_hydra`` with some words in some folder."""

    def run(*words: str, cwd: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = warm_training.run(*words, cwd=cwd, environment=job_environment)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def finished(forgather: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(directory, output) of a finished tiny run."""
    folder = tmp_path_factory.mktemp("finished")
    done = forgather(*TINY, "hydra.run.dir=run", cwd=folder)
    return folder / "run", done.stdout

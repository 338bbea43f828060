"""Sweeps whose launcher and jobs are killed at random instants run each job to its end, once at a
time.

`CHAOS_KILLS=20 pytest tests/chaos` kills more of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from pathlib import Path

import psutil
import pytest
from command_line import CommandLine

KILLS = int(os.environ.get("CHAOS_KILLS", "2"))
JOBS = """
import fcntl, time
from pathlib import Path

def job(x, seconds):
    held = open(f"lock-{x}", "w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        Path(f"met-{x}").touch()
    time.sleep(seconds)
    with open("ended", "a") as file:
        file.write(f"{x}\\n")
    return {"eval_loss": float(x)}
"""
WORDS = (
    "hydra.sweep.dir=out", "hydra.launcher.max_parallel=2", "hydra.launcher.stagger_s=0",
    "+main={_target_: chaos_jobs.job, _partial_: true, seconds: 0.3}", "+main.x=0,1,2,3,4",
)  # fmt: skip


class Sweep:
    """One command line, started again and again."""

    def __init__(self, warm, folder: Path) -> None:
        self.warm = warm
        self.folder = folder
        (folder / "chaos_jobs.py").write_text(JOBS)
        self.environment = CommandLine(folder).environment

    def run(self) -> int:
        done = self.warm.run("-m", *WORDS, cwd=self.folder, environment=self.environment)
        return done.returncode

    def run_killed(self, draw: random.Random) -> None:
        """Ends the launcher without warning, with all of its jobs or a few."""
        thread = threading.Thread(target=self.run)
        thread.start()
        time.sleep(draw.uniform(0.2, 3.0))
        with contextlib.suppress(psutil.NoSuchProcess):
            for launcher in psutil.Process(self.warm.process.pid).children():
                jobs = launcher.children(recursive=True)
                launcher.kill()
                for job in draw.sample(jobs, draw.randint(0, len(jobs))):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        job.kill()
        thread.join(120)


@pytest.mark.parametrize("seed", range(KILLS // 2))
def test_a_killed_sweep_ends_as_if_it_had_not_been(warm, tmp_path: Path, seed: int) -> None:
    sweep, draw = Sweep(warm, tmp_path), random.Random(seed)
    for _ in range(2):
        sweep.run_killed(draw)
    assert sweep.run() == 0
    assert not list(tmp_path.glob("met-*"))
    jobs = json.loads((tmp_path / "out/sweep.json").read_text())["jobs"]
    assert [job["status"] for job in jobs] == ["finished"] * 5
    assert [job["value"] for job in jobs] == [0.0, 1.0, 2.0, 3.0, 4.0]
    ended = (tmp_path / "ended").read_text().split()
    assert sweep.run() == 0
    assert (tmp_path / "ended").read_text().split() == ended  # nothing runs again

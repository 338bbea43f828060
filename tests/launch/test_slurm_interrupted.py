"""Runs on a real cluster that are interrupted, and end as if they had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurm_cluster import call, has_text, needs_cluster, state, until
from tiny_runs import TINY, metrics

pytestmark = needs_cluster
Run = Callable[..., Any]
TRAINING = (
    *(word for word in TINY if "max_steps" not in word and "save_steps" not in word),
    "trainer.args.max_steps=24",
    "trainer.args.save_steps=100",
    "+callbacks.slow={_target_: launch_callbacks.Slow, _partial_: false}",
    "trainer=accel",
)


def uninterrupted(launch: Run, folder: Path, processes: int) -> list[dict[str, Any]]:
    """The metrics of the same run on this machine."""
    fast = [word for word in TRAINING if "slow" not in word]
    launch("", *fast, f"resources.nproc_per_node={processes}", "hydra.run.dir=whole")
    return metrics(folder / "whole")


def step(run: Path) -> int:
    path = run / "status.json"
    return int(json.loads(path.read_text())["step"]) if path.exists() else 0


def test_preempted_and_requeued_equals_uninterrupted(
    start: Run, launch: Run, tmp_path: Path
) -> None:
    """Two nodes; once by a job of higher priority, with a warning, and once by hand, without."""
    words = ("cluster=slurm", "hydra.launcher.partition=low", "hydra.launcher.poll_s=0.5")
    shape = ("resources.nodes=2", "resources.gpus_per_proc=0")
    process = start("", *TRAINING, *words, *shape, "hydra.run.dir=run")
    run = tmp_path / "run"
    until(lambda: step(run) >= 5)
    job = str(json.loads((run / ".launch/place.json").read_text())["id"])
    call("sbatch", "-p", "high", "-N2", "--exclusive", "-t1", "-o/dev/null", "--wrap=sleep 1")
    until(lambda: state(job) == "PENDING")
    stopped = json.loads((run / "REQUEUE").read_text())["step"]
    assert 5 <= stopped < 24
    until(lambda: step(run) >= stopped + 3)
    call("scontrol", "requeue", job)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    attempts = sorted(path.name for path in (run / ".launch").glob("attempt_*"))
    assert attempts == ["attempt_1", "attempt_2", "attempt_3"]

    whole = uninterrupted(launch, tmp_path, 2)
    assert len([record for record in whole if "loss" in record]) == 24
    assert whole[-1]["tokens"] == 24 * 2 * 4 * 64  # steps, processes, rows, tokens
    assert metrics(run) == whole


def test_a_job_whose_time_is_up_goes_on_in_another(launch: Run, tmp_path: Path) -> None:
    """A minute is the least that SLURM grants; it warns when `signal_delay_s` of it are left."""
    words = ("cluster=slurm", "hydra.launcher.poll_s=0.5", "resources.gpus_per_proc=0")
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=52")
    fast = [word.replace("Slow", "Patient") for word in TRAINING]
    launch("", *fast, *words, *limit, "hydra.run.dir=run")
    job = str(json.loads((tmp_path / "run/.launch/place.json").read_text())["id"])
    facts = call("scontrol", "show", "job", job)
    assert "TimeLimit=00:01:00" in facts
    assert "Restarts=0" not in facts
    assert (tmp_path / "run/.launch/attempt_2").is_dir()
    assert metrics(tmp_path / "run") == uninterrupted(launch, tmp_path, 1)


def test_a_node_that_fails_is_replaced(start: Run, tmp_path: Path) -> None:
    words = ("cluster=slurm", "hydra.launcher.poll_s=0.5", "hydra.launcher.snapshot=false")
    (tmp_path / "hold-1").touch()
    process = start("counted", *words, "+main.x=1", "hydra.run.dir=run")
    until(lambda: has_text(tmp_path / "pid"))
    job = str(json.loads((tmp_path / "run/.launch/place.json").read_text())["id"])
    node = call("squeue", "-h", "-j", job, "-o", "%N").strip()
    daemons = Path(os.environ["SLURM_CONF"]).parent / "run"
    crash = [int((daemons / f"slurmd-{node}.pid").read_text()), int((tmp_path / "pid").read_text())]
    for pid in crash:
        os.kill(pid, signal.SIGKILL)
    try:
        call("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")
        until(lambda: len((tmp_path / "calls.txt").read_text().split()) == 2)
        assert call("squeue", "-h", "-j", job, "-o", "%N").strip() != node
        (tmp_path / "hold-1").unlink()
        assert process.wait(120) == 0
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
        resume = ("scontrol", "update", f"nodename={node}", "state=resume")
        subprocess.run(resume, check=False)  # refused if it has come back by itself
        until(lambda: "idle" in call("sinfo", "-h", "-n", node, "-o", "%T"))
    assert (tmp_path / "run/.launch/attempt_2").is_dir()

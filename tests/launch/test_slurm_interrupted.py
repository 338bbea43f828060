"""Runs on a real cluster that are interrupted, and end as if they had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import CommandLine
from slurm_cluster import call, has_text, needs_cluster, place, start_again, until
from tiny_runs import TINY, metrics

pytestmark = needs_cluster
Run = Callable[..., Any]
TRAINING = (
    *(word for word in TINY if "max_steps" not in word and "save_steps" not in word),
    "trainer.args.max_steps=24",
    "trainer.args.save_steps=100",
    "trainer=accel",
)
CLUSTER = ("cluster=slurm", "hydra.launcher.poll_s=0.1", "resources.gpus_per_proc=0")


def held(*steps: int) -> str:
    """The override by which a run waits after these steps for the cluster's warning."""
    target = "_target_: launch_callbacks.Patient, _partial_: false"
    return f"+callbacks.patient={{{target}, steps: {list(steps)}}}"


def uninterrupted(launch: Run, folder: Path, processes: int) -> list[dict[str, Any]]:
    """The metrics of the same run on this machine."""
    launch("", *TRAINING, f"resources.nproc_per_node={processes}", "hydra.run.dir=whole")
    return metrics(folder / "whole")


@pytest.fixture(scope="module")
def out_of_time(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run whose time is up while the other tests are at work: SLURM looks every 30 s.

    A minute is the least that it grants; it warns when `signal_delay_s` of it are left, or earlier.
    """
    command = CommandLine(tmp_path_factory.mktemp("out-of-time"))
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=52")
    process = command.start("", *TRAINING, held(8), *CLUSTER, *limit, "hydra.run.dir=run")
    yield command.folder, process
    process.kill()


def test_preempted_and_requeued_equals_uninterrupted(
    out_of_time: Any, start: Run, launch: Run, tmp_path: Path
) -> None:
    """Two nodes; once by a job of higher priority, with a warning, and once by hand, without."""
    most = 3 * int(call("sinfo", "-h", "-N", "-o", "%m").split()[0]) // 4  # of a node's memory
    shape = ("hydra.launcher.partition=low", "resources.nodes=2", f"resources.mem_gb={most / 1024}")
    process = start("", *TRAINING, held(8, 16), *CLUSTER, *shape, "hydra.run.dir=run")
    run = tmp_path / "run"
    until((run / "held-8").exists)
    job = place(run)
    call("sbatch", "-phigh", "-N2", f"--mem={most}M", "-t1", "-o/dev/null", "--wrap=sleep 1")
    start_again(job)
    assert json.loads((run / "REQUEUE").read_text())["step"] in (8, 9)
    whole = uninterrupted(launch, tmp_path, 2)
    until((run / "held-16").exists)
    call("scontrol", "requeue", job)
    start_again(job, times=2)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    attempts = sorted(path.name for path in (run / ".launch").glob("attempt_*"))
    assert attempts == ["attempt_1", "attempt_2", "attempt_3"]

    assert len([record for record in whole if "loss" in record]) == 24
    assert whole[-1]["tokens"] == 24 * 2 * 4 * 64  # steps, processes, rows, tokens
    assert metrics(run) == whole


def test_a_job_whose_time_is_up_goes_on_in_another(
    out_of_time: Any, launch: Run, tmp_path: Path
) -> None:
    folder, process = out_of_time
    whole = uninterrupted(launch, tmp_path, 1)
    job = place(folder / "run")
    start_again(job)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, out + error
    facts = call("scontrol", "show", "job", job)
    assert "TimeLimit=00:01:00" in facts
    assert "Restarts=0" not in facts
    assert (folder / "run/.launch/attempt_2").is_dir()
    assert metrics(folder / "run") == whole


def test_a_job_that_the_cluster_queues_no_more_has_more_to_do(start: Run, tmp_path: Path) -> None:
    process = start("", *TRAINING, held(8), *CLUSTER, "hydra.run.dir=run")
    until((tmp_path / "run/held-8").exists)
    job = place(tmp_path / "run")
    call("scontrol", "update", f"jobid={job}", "requeue=0")
    call("scancel", "--batch", "--signal=USR2", job)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 1, out + error
    assert "the job has more to do, but the cluster ended it" in out + error
    assert (tmp_path / "run/checkpoints/checkpoint-9").is_dir()


def step_daemons(job: str) -> list[int]:
    """What would still tell the controller of a job's end while its node is going down."""
    title = f"slurmstepd: [{job}."
    named = psutil.process_iter(["cmdline"])
    return [each.pid for each in named if " ".join(each.info["cmdline"] or []).startswith(title)]


def is_back(node: str) -> bool:
    """Whether a node takes jobs; one that is down is resumed, which may be before it answers."""
    found = call("sinfo", "-h", "-n", node, "-o", "%T")
    if "down" in found:
        resume = ("scontrol", "update", f"nodename={node}", "state=resume")
        subprocess.run(resume, check=False)  # refused if it has come back by itself
    return "idle" in found


def test_a_node_that_fails_is_replaced(start: Run, tmp_path: Path) -> None:
    words = ("cluster=slurm", "hydra.launcher.poll_s=0.1", "hydra.launcher.snapshot=false")
    (tmp_path / "hold-1").touch()
    process = start("counted", *words, "+main.x=1", "hydra.run.dir=run")
    until(lambda: has_text(tmp_path / "pid"))
    job = place(tmp_path / "run")
    node = call("squeue", "-h", "-j", job, "-o", "%N").strip()
    daemons = Path(os.environ["SLURM_CONF"]).parent / "run"
    daemon = int((daemons / f"slurmd-{node}.pid").read_text())
    for pid in (daemon, *step_daemons(job), int((tmp_path / "pid").read_text())):
        os.kill(pid, signal.SIGKILL)
    try:
        call("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")
        start_again(job)
        until(lambda: len((tmp_path / "calls.txt").read_text().split()) == 2)
        assert call("squeue", "-h", "-j", job, "-o", "%N").strip() != node
        (tmp_path / "hold-1").unlink()
        assert process.wait(120) == 0
    finally:
        subprocess.run(["slurmd", "-N", node], check=True)
        until(lambda: is_back(node))
    assert (tmp_path / "run/.launch/attempt_2").is_dir()

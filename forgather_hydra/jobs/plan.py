"""What a launch would do, in words, for ``hydra.launcher.dry_run=true``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from forgather_hydra.errors import counted
from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.local.pool import LocalPool
from forgather_hydra.jobs.local.processes import worker_command
from forgather_hydra.report.results import differing
from forgather_hydra.rundir.launch import launch_dir
from forgather_hydra.rundir.names import FIRST_ATTEMPT

if TYPE_CHECKING:
    from forgather_hydra.jobs.slurm.script import Executor


def print_local_plan(pool: LocalPool) -> None:
    """Print the jobs of a local launch with the commands that it would start."""
    kind = "GPU" if len(pool.devices) == 1 else "GPUs"
    devices = f"{kind} {', '.join(pool.devices)}" if pool.devices else "CPU slots"
    most = f", at most {pool.parallel} at a time" if len(pool.jobs) > 1 else ""
    print(f"{counted(len(pool.jobs), 'job')}{most}, on {devices}")
    overrides = differing([job.overrides for job in pool.jobs])
    for job, words in zip(pool.jobs, overrides, strict=True):
        procs = job.topology.settled(len(pool.devices)).world_size
        print(f"\njob {job.number}: {' '.join(words)}")
        print(f"  in {job.directory}")
        sizes = [counted(procs, "process"), counted(pool.needs(job), "slot")]
        sizes.append(counted(pool.starter.threads(procs), "thread") + (" each" * (procs > 1)))
        print(f"  {', '.join(sizes)}")
        attempt = launch_dir(job.directory) / FIRST_ATTEMPT
        print(f"  {shlex.join(worker_command(job.directory, attempt, procs))}")


def numbers(jobs: Sequence[Job]) -> str:
    """The numbers of jobs, in few words."""
    found = [job.number for job in jobs]
    is_range = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"{found[0]}-{found[-1]}" if is_range else ", ".join(map(str, found))


def print_slurm_plan(groups: Iterable[tuple[list[Job], Executor]]) -> None:
    """Print the jobs of a launch on a cluster with the scripts that it would submit."""
    for jobs, executor in groups:
        kind = f"an array of {len(jobs)} jobs" if len(jobs) > 1 else "a job"
        print(f"{kind}: {numbers(jobs)}")
        for job, words in zip(jobs, differing([job.overrides for job in jobs]), strict=True):
            print(f"  job {job.number} in {job.directory}: {' '.join(words)}")
        print()
        print(executor.text())

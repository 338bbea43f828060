"""What a launch would do, in words, for ``hydra.launcher.dry_run=true``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from forgather_hydra.launchers.display import differing
from forgather_hydra.launchers.job import Job
from forgather_hydra.launchers.local import LocalPool
from forgather_hydra.launchers.process import worker_command

if TYPE_CHECKING:
    from forgather_hydra.launchers.script import Executor


def print_local_plan(pool: LocalPool) -> None:
    """Print the jobs of a local launch with the commands that it would start."""
    devices = f"GPUs {', '.join(pool.devices)}" if pool.devices else "CPU slots"
    print(f"{len(pool.jobs)} jobs, at most {pool.parallel} at a time, on {devices}")
    for job, words in zip(pool.jobs, differing([job.overrides for job in pool.jobs]), strict=True):
        procs = job.topology.settled(len(pool.devices)).world_size
        slots = "slot" if pool.needs(job) == 1 else "slots"
        print(f"\njob {job.number}: {words}")
        print(f"  in {job.directory}")
        print(f"  {procs} process{'es' if procs > 1 else ''}, {pool.needs(job)} {slots}, ", end="")
        print(f"{pool.starter.threads(procs)} threads each")
        attempt = job.directory / ".launch" / "attempt_1"
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
            print(f"  job {job.number} in {job.directory}: {words}")
        print()
        print(executor.text())

"""What a launch would do, in words, for ``hydra.launcher.dry_run=true``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from forgather_hydra.launchers.display import differing
from forgather_hydra.launchers.job import Job
from forgather_hydra.launchers.local import LocalPool
from forgather_hydra.launchers.process import worker_command


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
        print(f"{pool.threads(procs)} threads each")
        attempt = job.directory / ".launch" / "attempt_1"
        print(f"  {shlex.join(worker_command(job.directory, attempt, procs))}")


def numbers(jobs: Sequence[Job]) -> str:
    """The numbers of jobs, in few words."""
    found = [job.number for job in jobs]
    is_range = len(found) > 2 and found == list(range(found[0], found[-1] + 1))
    return f"{found[0]}-{found[-1]}" if is_range else ", ".join(map(str, found))

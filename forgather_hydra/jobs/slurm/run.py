"""Runs jobs on a SLURM cluster: submit them, and wait for them or not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.options import SlurmOptions
from forgather_hydra.jobs.plan import print_slurm_plan
from forgather_hydra.jobs.slurm.cluster import Cluster
from forgather_hydra.jobs.slurm.wait import Waiting
from forgather_hydra.jobs.snapshot import import_path
from forgather_hydra.jobs.unfinished import Launch, planned, run_unfinished


def run_on_slurm(launch: Launch, options: SlurmOptions) -> list[JobReturn]:
    """Submit jobs, and wait for them unless ``detach`` is set.

    Raises:
        ForgatherError: something cannot work; nothing has been submitted.
        KeyboardInterrupt: the jobs go on.
    """
    jobs, sweep_dir = launch.jobs, launch.sweep_dir.absolute()
    check_possible(jobs, sweep_dir, options.dry_run)
    cluster = Cluster(jobs, sweep_dir, options.dry_run)
    if options.dry_run:
        print_slurm_plan(cluster.groups(jobs, Path("SUBMISSION"), []))
        return planned(jobs)

    def run(left: list[Job]) -> list[JobReturn]:
        cluster.path = import_path(launch.copy_code(options))
        cluster.task = launch.write_task()
        cluster.submit_new(left)
        if options.detach:
            cluster.tell()
            return [cluster.submitted(job) for job in left]
        return Waiting(left, cluster, options).run()

    return run_unfinished(launch, run)


def check_possible(jobs: Sequence[Job], sweep_dir: Path, is_dry: bool) -> None:
    """Raise if nothing can be submitted from here; a plan needs no cluster.

    Raises:
        ForgatherError: ``bad_launcher``, where SLURM is missing, or cannot name the logs.
    """
    if not is_dry and not all(map(shutil.which, ("sbatch", "srun", "squeue"))):
        raise ForgatherError(
            "bad_launcher",
            "SLURM's commands (sbatch, srun, squeue) are not on this machine",
            hint="launch from a node of the cluster, or use cluster=local",
        )
    for path, special in [(sweep_dir, "%\\\n"), *((job.directory, "\\\n") for job in jobs)]:
        if found := set(special).intersection(str(path)):
            raise ForgatherError(
                "bad_launcher",
                f"SLURM cannot keep logs in {path}, which has {found.pop()!r} in its name",
                hint="choose another hydra.sweep.dir or hydra.run.dir",
            )

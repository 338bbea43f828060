"""The job that a launcher was given before in the directory of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.slurm.scheduler import still_queued, submission_of
from forgather_hydra.rundir.launch import is_owned
from forgather_hydra.rundir.names import MANIFEST
from forgather_hydra.rundir.run import RunDirectory
from forgather_hydra.rundir.sweep import SweepDirectory


def is_over(directory: Path) -> bool:
    """Whether nothing is going to happen to the job in a directory."""
    return not is_owned(directory) and cluster_job(directory) is None


def cluster_job(directory: Path) -> str | None:
    """The id of the cluster's job that runs in a directory, or is going to.

    Raises:
        ForgatherError: ``bad_launcher``, where the cluster does not answer.
    """
    placed = submission_of(directory)
    if placed is None or RunDirectory(directory).state().is_over or not shutil.which("squeue"):
        return None
    return placed.id if still_queued([placed]) else None


def make_way(directory: Path) -> None:
    """Let this process run another job in a directory, if the former one is over.

    Raises:
        ForgatherError: it is not.
    """
    if name := cluster_job(directory):
        raise ForgatherError(
            "run_directory",
            f"job {name} of the cluster is to run in {directory}; it is left alone",
            hint=f"end it with forgather cancel {directory}, or use another hydra.run.dir",
        )
    jobs = SweepDirectory(directory).launched()
    if [job.run.path.resolve() for job in jobs] == [directory.resolve()]:
        (directory / MANIFEST).unlink()  # which says what the former job was

"""Note the jobs of a launch, keep those that are finished, and run the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction

from forgather_hydra.errors import counted
from forgather_hydra.jobs.job import Job, late_return, write_task
from forgather_hydra.jobs.manifest import Manifest
from forgather_hydra.jobs.options import Options
from forgather_hydra.jobs.outcome import return_from_result
from forgather_hydra.jobs.snapshot import take_snapshot
from forgather_hydra.report.results import Unknown
from forgather_hydra.rundir.launch import launch_dir, launching, result_of
from forgather_hydra.rundir.names import CODE_COPY, GIVEN_UP
from forgather_hydra.rundir.states import State


@dataclass(frozen=True)
class Launch:
    """What a launcher has been given to run.

    Attributes:
        jobs: by number.
        sweep_dir: the directory of the sweep, or of a single run.
        context: Hydra's.
        task: what runs a job.
    """

    jobs: list[Job]
    sweep_dir: Path
    context: HydraContext
    task: TaskFunction

    def write_task(self) -> Path:
        """Write down what all jobs share, and return the file."""
        return write_task(launch_dir(self.sweep_dir.absolute()), self.context, self.task)

    def copy_code(self, options: Options) -> Path | None:
        """The folder with the code as it is now, if that is wanted."""
        if not options.snapshot:
            return None
        return take_snapshot(launch_dir(self.sweep_dir.absolute()) / CODE_COPY)


def run_unfinished(launch: Launch, run: Callable[[list[Job]], list[JobReturn]]) -> list[JobReturn]:
    """Note the jobs of a launch, and run those that are not finished.

    Args:
        launch: the jobs.
        run: runs some of them.
    """
    jobs = launch.jobs
    with launching(launch.sweep_dir):
        Manifest(launch.sweep_dir).add(jobs)
        left = [job for job in jobs if not is_finished(job)]
        for job in left:
            (launch_dir(job.directory) / GIVEN_UP).unlink(missing_ok=True)
        if len(left) < len(jobs):
            done = len(jobs) - len(left)
            is_are = "is" if done == 1 else "are"
            print(f"{done} of {counted(len(jobs), 'job')} {is_are} finished already")
        returns = iter(run(left) if left else [])
        waiting = {id(job) for job in left}
        return [next(returns) if id(job) in waiting else return_from_result(job) for job in jobs]


def is_finished(job: Job) -> bool:
    """Whether a job of our own command line has been run to its end before."""
    result = result_of(job.directory) if job.is_ours else None
    return result is not None and result["status"] == State.FINISHED


def planned(jobs: Sequence[Job]) -> list[JobReturn]:
    """What a launch returns that has run nothing."""
    return [late_return(job, JobStatus.COMPLETED, Unknown(State.PLANNED)) for job in jobs]

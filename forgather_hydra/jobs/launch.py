"""Run jobs elsewhere: note them, keep those that are finished, and run the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction

from forgather_hydra.errors import counted
from forgather_hydra.jobs.job import Job, not_run, write_task
from forgather_hydra.jobs.manifest import Manifest
from forgather_hydra.jobs.options import LocalOptions, Options
from forgather_hydra.jobs.outcome import return_from_result
from forgather_hydra.jobs.snapshot import import_path, take_snapshot
from forgather_hydra.report.results import Unknown
from forgather_hydra.rundir.launch import launch_dir, launching, result_of
from forgather_hydra.rundir.names import CODE_COPY, GIVEN_UP
from forgather_hydra.rundir.states import State


def run_jobs(
    jobs: list[Job],
    sweep_dir: Path,
    options: Options,
    context: HydraContext,
    task: TaskFunction,
) -> list[JobReturn]:
    """Run jobs where the options say, and wait for them unless these say otherwise.

    Raises:
        ForgatherError: something cannot work; nothing has been run.
        KeyboardInterrupt: what is to be told has been.
    """
    if isinstance(options, LocalOptions):
        return run_locally(jobs, sweep_dir, options, context, task)
    from forgather_hydra.jobs.slurm.run import run_on_slurm

    return run_on_slurm(jobs, sweep_dir, options, context, task)


def run_locally(
    jobs: list[Job],
    sweep_dir: Path,
    options: LocalOptions,
    context: HydraContext,
    task: TaskFunction,
) -> list[JobReturn]:
    """Run jobs on this machine, and wait for them.

    Raises:
        ForgatherError: something cannot work; nothing has been run.
        KeyboardInterrupt: after everything that was started has ended.
    """
    from forgather_hydra.jobs.local.run import LocalPool
    from forgather_hydra.jobs.plan import print_local_plan

    if options.dry_run:
        print_local_plan(LocalPool(jobs, Path(), options, []))
        return planned(jobs)
    LocalPool(jobs, Path(), options, [])  # tells before anything is written what cannot work

    def run(left: list[Job]) -> list[JobReturn]:
        code = snapshot(sweep_dir, options)
        shared = write_task(launch_dir(sweep_dir), context, task)
        return LocalPool(left, shared, options, import_path(code)).run()

    return run_unfinished(jobs, sweep_dir, run)


def run_unfinished(
    jobs: list[Job], sweep_dir: Path, run: Callable[[list[Job]], list[JobReturn]]
) -> list[JobReturn]:
    """Note the jobs of a sweep, and run those that are not finished."""
    with launching(sweep_dir):
        return _run_unfinished(jobs, sweep_dir, run)


def _run_unfinished(
    jobs: list[Job], sweep_dir: Path, run: Callable[[list[Job]], list[JobReturn]]
) -> list[JobReturn]:
    Manifest(sweep_dir).add(jobs)
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
    return [not_run(job, Unknown(State.PLANNED)) for job in jobs]


def snapshot(sweep_dir: Path, options: Options) -> Path | None:
    """The folder with the code as it was when the sweep was launched, if that is wanted."""
    if not options.snapshot:
        return None
    code = launch_dir(sweep_dir.absolute()) / CODE_COPY
    take_snapshot(code)
    return code

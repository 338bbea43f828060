"""Jobs as another terminal sees them: by the files in the sweep's directory, and the cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.jobs.slurm import scheduler
from forgather_hydra.jobs.watch.follow import Follow
from forgather_hydra.jobs.watch.sweeps import jobs_of
from forgather_hydra.jobs.watch.view import View, view_of, with_state
from forgather_hydra.report.results import (
    JobResult,
    brief,
    differing,
    metric_of,
    relative,
)
from forgather_hydra.report.save import report_results
from forgather_hydra.rundir.launch import give_up, is_launching, is_owned, launch_dir
from forgather_hydra.rundir.names import GIVEN_UP
from forgather_hydra.rundir.states import State, state_of
from forgather_hydra.rundir.sweep import SweepDirectory, SweepJob

ASK_S = 5.0  # between two questions to a cluster


def views(sweep_dir: Path) -> list[View]:
    """The jobs of a sweep, as they are now."""
    jobs = jobs_of(sweep_dir)
    placed = {job.number: scheduler.submission_of(job.run.path) for job in jobs}
    watcher = scheduler.Watcher(grace_s=-1)
    watcher.look(filter(None, placed.values()))
    if not watcher.answers:
        print("the cluster does not answer; this is what the jobs' files say", file=sys.stderr)
    words = brief(differing([job.overrides for job in jobs]))
    is_alive = is_launching(sweep_dir)
    return [
        _view(job, text, _seen(watcher, placed[job.number]), is_alive)
        for job, text in zip(jobs, words, strict=True)
    ]


def _seen(watcher: scheduler.Watcher, placed: scheduler.Submission | None) -> scheduler.Seen | None:
    return watcher.seen.get(placed.id) if placed else None


def _view(job: SweepJob, words: str, seen: scheduler.Seen | None, is_alive: bool) -> View:
    """A job as its files and the cluster tell; what nobody is going to start does not wait."""
    view = with_state(view_of(job.number, words, job.run.path), seen)
    if view.state == State.QUEUED and "id" not in job.run.place and not is_alive:
        view.state, view.is_over = State.NOT_RUN, True
    return view


def about(sweep_dir: Path) -> str:
    """What a sweep is: who launched it when and where, with which command."""
    jobs_of(sweep_dir)
    launch = SweepDirectory(sweep_dir).manifest["launch"]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(launch["created"]))
    who = f"{launch['user']} on {launch['host']}"
    return f"{counted(len(launch['jobs']), 'job')}, launched {when} by {who}\n{launch['command']}\n"


class Outcome(NamedTuple):
    """What became of a wish."""

    line: str
    is_good: bool = True


def cancel_jobs(sweep_dir: Path, numbers: Collection[int], save: bool) -> Iterator[Outcome]:
    """End jobs, or all of a sweep, and say what was done.

    Args:
        sweep_dir: the sweep's directory.
        numbers: of the jobs; all if there are none.
        save: have those that run save a checkpoint and end by themselves.

    Raises:
        ForgatherError: ``no_sweep``, ``no_job``, or a job runs where it cannot be reached;
            nothing has been done.
    """
    jobs = jobs_of(sweep_dir, numbers)
    if not save:
        for job in jobs:
            _check_host(job)
    seen = {view.number: view for view in views(sweep_dir)}
    if not numbers and all(view.is_over for view in seen.values()):
        yield Outcome("no job runs or waits")
    for job in jobs:
        view, directory = seen[job.number], job.run.path
        if view.is_over:
            if numbers:
                yield Outcome(f"job {view.number} neither runs nor waits ({view.state})")
        elif save and is_owned(directory):
            job.run.command("stop")
            yield Outcome(f"job {view.number} is told to save and end")
        else:
            give_up(directory)
            yield _end(f"job {view.number}", job.run.place, directory)


def _end(job: str, where: dict[str, Any], directory: Path) -> Outcome:
    if "id" in where and not scheduler.cancel_queued([scheduler.submission(where)]):
        (launch_dir(directory) / GIVEN_UP).unlink()
        return Outcome(f"{job} ({where['id']}) is not cancelled: scancel has failed", False)
    if "id" in where:
        return Outcome(f"{job} ({where['id']}) is cancelled")
    if not is_owned(directory):
        return Outcome(f"{job} will not be started")
    with suppress(ProcessLookupError):
        os.kill(where["pid"], signal.SIGTERM)
    return Outcome(f"{job} is told to end")


def _check_host(job: SweepJob) -> None:
    # A cluster's job is reached from anywhere.
    host = job.run.place.get("host", socket.gethostname())
    if host != socket.gethostname() and is_owned(job.run.path):
        message = f"job {job.number} runs on {host}"
        raise ForgatherError("no_job", message, hint="cancel it there, or with --save")


def log_of(sweep_dir: Path, number: int, rank: int) -> tuple[Follow, Callable[[], View]]:
    """The log of a process of a job, from its newest attempt on, and what tells how the job is.

    Raises:
        ForgatherError: ``no_sweep`` or ``no_job``, where there is no such job or process.
    """
    (job,) = jobs_of(sweep_dir, [number])
    directory = job.run.path
    follow = Follow(directory, rank, from_start=True)
    ranks = sorted(follow.path.parent.glob("rank_*.log"))
    if ranks and follow.path not in ranks:
        has = "process 0" if len(ranks) == 1 else f"processes 0 to {len(ranks) - 1}"
        raise ForgatherError("no_job", f"job {number} has no process {rank}, but {has}")
    watcher = scheduler.Watcher()
    last_asked = -ASK_S

    def look() -> View:
        nonlocal last_asked
        view = _view(job, "", None, is_launching(sweep_dir))
        placed = scheduler.submission_of(directory)
        if view.state in (State.FINISHED, State.FAILED) or not placed:
            return view
        if time.monotonic() > last_asked + ASK_S:
            last_asked = time.monotonic()
            watcher.look([placed])
        return with_state(view, watcher.seen.get(placed.id, scheduler.Seen("PENDING")))

    return follow, look


def report(sweep_dir: Path, is_interactive: bool) -> None:
    """Print the results of a sweep, and save them; on a page with plots of plotly if wanted."""
    content = SweepDirectory(sweep_dir).manifest
    metric = content.get("metric") or "eval_loss"
    reported = content.get("jobs") or []
    if "launch" not in content and reported:  # by a launcher that keeps no record
        results = [JobResult(**{**job, "status": State(job["status"])}) for job in reported]
    else:
        pruned = {job["number"] for job in reported if job["status"] == State.PRUNED}
        results = [
            _result(job, view, metric, sweep_dir.absolute(), job.number in pruned)
            for job, view in zip(jobs_of(sweep_dir), views(sweep_dir), strict=True)
        ]
    report_results(
        sweep_dir,
        results,
        metric,
        content.get("direction") or "minimize",
        is_interactive=is_interactive,
    )


def _result(job: SweepJob, view: View, metric: str, sweep_dir: Path, was_pruned: bool) -> JobResult:
    """The result of a job; that it was pruned only the search knows, and a cluster what waits."""
    state = state_of(view.state) or (State.DIED if view.is_over else State.QUEUED)
    value = job.run.result
    return JobResult(
        job.number,
        job.overrides,
        State.PRUNED if was_pruned and state == State.FINISHED else state,
        metric_of(value, metric),
        relative(job.run.path, sweep_dir),
        job.run.error,
        value if isinstance(value, dict) else {},
    )

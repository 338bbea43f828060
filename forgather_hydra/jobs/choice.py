"""What the jobs of a sweep choose for all of it: a launcher, its options, and no sweeper."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.check import raise_all
from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.options import LAUNCHER, Options, options_class

# The other options of a launcher are each job's own.
_OF_ALL = {
    *("on_error", "dry_run", "snapshot", "detach", "poll_s", "devices", "jobs_per_device"),
    *("max_parallel", "threads_per_proc", "stagger_s"),
}


def options_for_all(jobs: Sequence[Job], sweep: DictConfig) -> Options:
    """The options of the launcher that runs the jobs.

    A launcher that every job chooses, as a swept experiment can, runs them although the sweep was
    composed with another one.

    Args:
        jobs: at least one.
        sweep: the configuration of the sweep, without what is swept.

    Raises:
        ForgatherError: ``bad_launcher``; the jobs do not agree on what holds for all of them, or
            choose what it is too late to choose.
    """
    raise_all(_late_choices(jobs, sweep), "bad_launcher")
    first = jobs[0].options
    raise_all(_disagreements(first, jobs), "bad_launcher")
    return first


def _late_choices(jobs: Sequence[Job], sweep: DictConfig) -> Iterator[ForgatherError]:
    """An error for a launcher or sweeper which the jobs choose, and which is not used."""
    targets = {job.launcher: job for job in jobs}
    if len(targets) > 1:
        launchers = [f"{_name(job, 'launcher')} ({_words(job)})" for job in targets.values()]
        yield ForgatherError(
            "bad_launcher",
            f"the jobs of this sweep choose different launchers: {' and '.join(launchers)}",
            hint="choose one for all: hydra/launcher=NAME or cluster=NAME on the command line",
        )
    for target, job in targets.items():
        if options_class(target) is None:
            yield _too_late(job, "launcher")
    used = OmegaConf.to_container(sweep.hydra.sweeper, resolve=False)
    other = next((job for job in jobs if job.sweeper != used), None)
    if other:
        yield _too_late(other, "sweeper")


def _disagreements(first: Options, jobs: Sequence[Job]) -> Iterator[ForgatherError]:
    for field in dataclasses.fields(first):
        if field.name not in _OF_ALL:
            continue
        value = getattr(first, field.name)
        other = next((job for job in jobs if getattr(job.options, field.name) != value), None)
        if other:
            yield ForgatherError(
                "bad_launcher",
                f"{LAUNCHER}.{field.name} is {value} for one job ({_words(jobs[0])}) and "
                f"{getattr(other.options, field.name)} for another ({_words(other)})",
                hint="it holds for the whole sweep: give it on the command line",
            )


def _too_late(job: Job, kind: str) -> ForgatherError:
    """The error for a plugin that a swept option chooses, when the sweep has begun with another."""
    name = _name(job, kind)
    return ForgatherError(
        "bad_launcher",
        f"{_words(job)} chooses the {kind} {name} or changes it, which a sweep must know "
        "before it composes its jobs",
        hint=f"choose it on the command line: hydra/{kind}={name} and hydra.{kind}.*",
    )


def _name(job: Job, kind: str) -> str:
    return str(job.config.hydra.runtime.choices.get(f"hydra/{kind}"))


def _words(job: Job) -> str:
    return " ".join(job.overrides) or f"job {job.number}"

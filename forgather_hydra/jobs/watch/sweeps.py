"""The jobs of a sweep by its directory; of one that holds none, what it is instead."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.names import MANIFEST
from forgather_hydra.rundir.run import RunDirectory
from forgather_hydra.rundir.sweep import SweepDirectory, SweepJob


def jobs_of(sweep_dir: Path, numbers: Collection[int] = ()) -> list[SweepJob]:
    """The jobs that have been launched in a directory, or some of them.

    Raises:
        ForgatherError: ``no_sweep``, where there are none; ``no_job``, where one is missing.
    """
    jobs = SweepDirectory(sweep_dir.absolute()).launched()
    if not jobs:
        raise _no_sweep(sweep_dir)
    known = [job.number for job in jobs]
    for number in numbers:
        if number not in known:
            has = f"{known[0]} to {known[-1]}" if len(known) > 1 else str(known[0])
            raise ForgatherError("no_job", f"{sweep_dir} holds no job {number}, but {has}")
    return [job for job in jobs if not numbers or job.number in numbers]


def _no_sweep(directory: Path) -> ForgatherError:
    message = f"{directory} holds no jobs that a launcher has started"
    hint = "name the directory hydra.sweep.dir of a sweep, such as multirun/DATE/TIME"
    if not directory.is_dir():
        message = f"there is no directory {directory}"
    elif number := _number_in_sweep(directory):
        hint = f"it is that of job {number}; name the sweep's, {directory.absolute().parent}"
    elif (directory / MANIFEST).exists():
        message = f"the jobs in {directory} were started by a launcher that keeps no record of them"
        hint = f"forgather results {directory} shows how they ended"
    elif RunDirectory(directory).record:
        message = f"{directory} is that of a run that no launcher has started"
        hint = f"forgather control status {directory} tells how it is doing"
    elif found := [p for depth in ("*", "*/*") for p in directory.glob(f"{depth}/{MANIFEST}")]:
        newest = max(found, key=lambda path: path.stat().st_mtime)
        hint = f"the newest sweep below it is {newest.parent}"
    return ForgatherError("no_sweep", message, hint=hint)


def _number_in_sweep(directory: Path) -> str | None:
    """The number of a job whose directory this is, in a sweep's directory."""
    jobs = SweepDirectory(directory.absolute().parent).launched()
    return next((str(job.number) for job in jobs if job.run.path == directory.absolute()), None)

"""Jobs as another terminal sees them: by the files in the sweep's directory, and the cluster."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.launchers import watch
from forgather_hydra.launchers.display import Follow, differing
from forgather_hydra.launchers.files import GIVEN_UP, PLACE, attempts, is_owned, launch_dir
from forgather_hydra.launchers.manifest import Manifest
from forgather_hydra.launchers.outcome import read_result
from forgather_hydra.launchers.view import View, view_of, with_state
from forgather_hydra.run import record
from forgather_hydra.run.files import read_json
from forgather_hydra.run.report import report_results
from forgather_hydra.run.results import JobResult, metric_of, metrics_in, relative


def jobs_of(sweep_dir: Path) -> list[dict[str, Any]]:
    """The jobs that have been launched in a directory.

    Raises:
        ForgatherError: ``no_sweep``, where there are none.
    """
    jobs = list(Manifest(sweep_dir).jobs().values())
    if not jobs:
        raise ForgatherError(
            "no_sweep",
            f"{sweep_dir} holds no jobs that a launcher has started",
            hint="name the directory hydra.sweep.dir of a sweep, such as multirun/DATE/TIME",
        )
    return jobs


def place(job: dict[str, Any]) -> dict[str, Any]:
    """Where a job was started last."""
    return read_json(launch_dir(Path(job["directory"])) / PLACE) or {}


def views(sweep_dir: Path) -> list[View]:
    """The jobs of a sweep, as they are now."""
    jobs = jobs_of(sweep_dir)
    names = {job["number"]: str(place(job).get("id", "")) for job in jobs}
    seen = watch.Watcher(grace_s=-1).look([name for name in names.values() if name])
    words = differing([job["overrides"] for job in jobs])
    return [
        with_state(
            view_of(job["number"], text, Path(job["directory"])), seen.get(names[job["number"]])
        )
        for job, text in zip(jobs, words, strict=True)
    ]


def about(sweep_dir: Path) -> str:
    """What a sweep is: who launched it when and where, with which command."""
    launch = Manifest(sweep_dir).read().get("launch", {})
    jobs_of(sweep_dir)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(launch["created"]))
    who = f"{launch['user']} on {launch['host']}"
    return f"{counted(len(launch['jobs']), 'job')}, launched {when} by {who}\n{launch['command']}\n"


def cancel_jobs(sweep_dir: Path, numbers: Iterable[int], save: bool) -> Iterator[str]:
    """End jobs, or all of a sweep, and say what was done.

    Args:
        sweep_dir: the sweep's directory.
        numbers: of the jobs; all if there are none.
        save: have those that run save a checkpoint and end by themselves.
    """
    jobs = jobs_of(sweep_dir)
    wanted = set(numbers) or {job["number"] for job in jobs}
    if unknown := wanted - {job["number"] for job in jobs}:
        raise ForgatherError("no_sweep", f"{sweep_dir} holds no job {min(unknown)}")
    for job in jobs:
        directory = Path(job["directory"])
        result = read_result(directory)
        if job["number"] not in wanted or (result and result["status"] != "stopped"):
            continue
        where = place(job)
        if save and is_owned(directory):
            (directory / "STOP").touch()
            yield f"job {job['number']} is told to save and end"
            continue
        launch_dir(directory).mkdir(parents=True, exist_ok=True)
        (launch_dir(directory) / GIVEN_UP).touch()
        yield f"job {job['number']} {_end(where, directory)}"


def _end(where: dict[str, Any], directory: Path) -> str:
    if "id" in where:
        watch.cancel([where["id"]])
        return f"({where['id']}) is cancelled"
    if not is_owned(directory):
        return "will not be started"
    if where.get("host") != socket.gethostname():
        raise ForgatherError(
            "no_sweep", f"the job runs on {where.get('host')}: cancel it there, or with --save"
        )
    with suppress(ProcessLookupError):
        os.kill(where["pid"], signal.SIGTERM)
    return "is told to end"


def log_of(sweep_dir: Path, number: int, rank: int) -> tuple[Follow, Callable[[], bool]]:
    """The log of the last attempt at a job, and whether the job has ended.

    Raises:
        ForgatherError: ``no_sweep``, where there is no such job or process, or it has not begun.
    """
    found = [Path(job["directory"]) for job in jobs_of(sweep_dir) if job["number"] == number]
    logs = [attempts(directory)[-1] for directory in found if attempts(directory)]
    path = logs[0] / f"rank_{rank}.log" if logs else None
    if path is None or not path.exists():
        raise ForgatherError("no_sweep", f"process {rank} of job {number} has printed nothing yet")

    def has_ended() -> bool:
        result = read_result(found[0])
        return result is not None and not is_owned(found[0])

    return Follow(path, from_start=True), has_ended


def report(sweep_dir: Path) -> None:
    """Print the results of a sweep, and save them."""
    content = Manifest(sweep_dir).read()
    results = [_result(job, content, sweep_dir.absolute()) for job in jobs_of(sweep_dir)]
    report_results(
        sweep_dir,
        results,
        content.get("metric", "eval_loss"),
        content.get("direction", "minimize"),
    )


def _result(job: dict[str, Any], content: dict[str, Any], sweep_dir: Path) -> JobResult:
    metric = content.get("metric", "eval_loss")
    directory = Path(job["directory"])
    state = view_of(job["number"], "", directory).state
    found = read_result(directory) or {}
    value = found.get("value")
    return JobResult(
        job["number"],
        job["overrides"],
        state,
        metric_of(value, metric),
        relative(directory, sweep_dir),
        found.get("error"),
        value if isinstance(value, dict) else metrics_in(record.read(directory)),
    )

"""The results of a sweep: one per job, ranked in a table, saved as JSON and CSV."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus

from forgather_hydra.report.columns import CSV, OVERRIDES, TABLE, Column, Row, table_of
from forgather_hydra.report.returns import directory_of_return
from forgather_hydra.rundir import numbers, record
from forgather_hydra.rundir.files import locked, write_json
from forgather_hydra.rundir.names import MANIFEST, MANIFEST_LOCK, RESULTS_CSV
from forgather_hydra.rundir.states import State, state_of
from forgather_hydra.rundir.sweep import SweepDirectory

if TYPE_CHECKING:
    from rich.table import Table

WIDEST = 40  # letters that the overrides of a job may take in a table


@dataclass
class JobResult:
    """How a job of a sweep went.

    Attributes:
        number: Hydra's number of the job.
        overrides: what it ran with.
        status: what became of it.
        value: the metric that the sweep is about, if the job has it.
        directory: relative to the sweep's directory where it lies below it.
        error: the first line of what it failed with.
        metrics: all that target ``main`` returned, where that is a dict.
    """

    number: int
    overrides: list[str]
    status: State
    value: float | None = None
    directory: str | None = None
    error: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unknown:
    """The return value of a job that has not been run, or not yet to its end.

    Attributes:
        status: planned or submitted.
        where: to look for it.
    """

    status: State
    where: str = ""


class JobCancelled(Exception):
    """A job was not run, or not to its end, because it was not wanted any more."""


def result_of(returned: JobReturn, number: int, metric: str, sweep_dir: Path) -> JobResult:
    """The result of a job that the launcher returned."""
    directory = directory_of_return(returned)
    result = JobResult(number, list(returned.overrides or []), State.SUBMITTED)
    if directory:
        result.directory = relative(directory, sweep_dir)
        result.metrics = metrics_in(record.read(directory))
    value = returned._return_value  # the public property raises what the job raised
    if isinstance(value, Unknown):
        result.status = value.status
    elif returned.status == JobStatus.COMPLETED:
        result.status, result.value = State.FINISHED, metric_of(value, metric)
        if isinstance(value, dict):
            result.metrics = {
                k: v if numbers.number(v) is None else numbers.plain(v) for k, v in value.items()
            }
        if result.metrics.get("stopped"):
            result.status = State.STOPPED
    elif returned.status == JobStatus.FAILED:
        result.status = State.CANCELLED if isinstance(value, JobCancelled) else State.FAILED
        result.error = one_line(value)
    return result


def result_without_return(
    number: int, overrides: Sequence[str], metric: str, sweep_dir: Path
) -> JobResult:
    """The result of a job that the launcher did not return, from what the job left on disk."""
    found = recorded_jobs(sweep_dir).get(job_key(overrides))
    if found is None:
        return JobResult(number, list(overrides), State.NOT_RUN)
    directory, recorded = found
    is_finished = state_of(recorded["status"]) == State.FINISHED
    status = State.FINISHED if is_finished else State.INTERRUPTED
    value = metric_of(recorded.get("result"), metric)
    where = relative(directory, sweep_dir)
    return JobResult(number, list(overrides), status, value, where, metrics=metrics_in(recorded))


def recorded_jobs(sweep_dir: Path) -> dict[frozenset[str], tuple[Path, dict[str, Any]]]:
    """Directory and record of each job below a sweep's directory, by its overrides."""
    return {
        job_key(recorded["overrides"]): (run.path, recorded)
        for run, recorded in SweepDirectory(sweep_dir).recorded()
    }


def job_key(overrides: Iterable[str]) -> frozenset[str]:
    """What makes two jobs the same: their overrides, whether to resume aside."""
    aside = ("hydra.", "hydra/", "resume=")
    return frozenset(text for text in overrides if not text.lstrip("+").startswith(aside))


def metrics_in(recorded: dict[str, Any] | None) -> dict[str, Any]:
    """What target ``main`` returned, if it was a dict."""
    result = (recorded or {}).get("result")
    return result if isinstance(result, dict) else {}


def metric_of(value: Any, metric: str) -> float | None:
    """The number among what a job returned: `value` itself, or its entry `metric`."""
    return numbers.number(value.get(metric) if isinstance(value, dict) else value)


def without_number(value: Any, metric: str) -> str:
    """Why what a job returned has no number to compare."""
    if not isinstance(value, dict):
        return f"it returned {value!r}, which is no number"
    if metric in value:
        return f"its {metric} is {value[metric]!r}, which is no number"
    return f"its result has no {metric!r}; it has {', '.join(map(str, value)) or 'nothing'}"


def one_line(error: Any) -> str:
    """An exception's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def relative(directory: Path, sweep_dir: Path) -> str:
    """A directory as seen from the sweep's."""
    path = os.path.relpath(directory, sweep_dir)
    return str(directory) if path.startswith("..") else path


def ranked(results: Iterable[JobResult], direction: str = "minimize") -> list[JobResult]:
    """Best first; then those without a value, by status and number."""
    sign = 1 if direction == "minimize" else -1

    def rank(result: JobResult) -> tuple[int, float, int]:
        has_value = result.value is not None and math.isfinite(result.value)
        value = sign * result.value if result.value is not None and has_value else math.inf
        return State(result.status).rank, value, result.number

    return sorted(results, key=rank)


def best_of(results: Iterable[JobResult], direction: str = "minimize") -> JobResult | None:
    """The finished job with the best finite value, if any has one."""
    for result in ranked(results, direction)[:1]:
        has_value = result.value is not None and math.isfinite(result.value)
        if result.status == State.FINISHED and has_value:
            return result
    return None


def differing(overrides: Sequence[Sequence[str]]) -> list[list[str]]:
    """The overrides of each job that not all jobs share."""
    shared = set.intersection(*map(set, overrides)) if len(overrides) > 1 else set()
    return [[text for text in each if text not in shared] for each in overrides]


def brief(overrides: Sequence[Sequence[str]]) -> list[str]:
    """The overrides of each job as a text for a table: long ones with the ends of their keys."""
    texts = [" ".join(each) for each in overrides]
    if max(map(len, texts), default=0) <= WIDEST:
        return texts
    keys = {text: _setting(text)[0].split(".") for each in overrides for text in each}
    ends: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for key in map(tuple, keys.values()):
        for first in range(len(key)):
            ends.setdefault(key[first:], set()).add(key)

    def cut(text: str) -> str:
        key = tuple(keys[text])
        tells = [i == 0 or (len(ends[key[i:]]) == 1 and key[i][0] != "_") for i in range(len(key))]
        first = max(i for i, is_enough in enumerate(tells) if is_enough)
        return ".".join(key[first:]) + "".join(text.partition("=")[1:])

    return [" ".join(map(cut, each)) for each in overrides]


def table(
    results: Sequence[JobResult], metric: str, columns: Sequence[Column[Row]] = TABLE
) -> Table:
    """A table of results in the order given."""
    texts = brief(differing([r.overrides for r in results]))
    return table_of(columns, map(Row, results, texts), metric)


def save(
    sweep_dir: Path,
    results: Sequence[JobResult],
    metric: str,
    direction: str,
    columns: Sequence[Column[Row]] = CSV,
) -> None:
    """Write ``sweep.json`` and ``results.csv``, of some columns, into a sweep's directory."""
    best = best_of(results, direction)
    content = {
        "metric": metric,
        "direction": direction,
        "best": None if best is None else asdict(best),
        "jobs": [asdict(result) for result in results],
    }
    with locked(sweep_dir / MANIFEST_LOCK, wait=True):
        write_json(sweep_dir / MANIFEST, SweepDirectory(sweep_dir).manifest | content)
    with open(sweep_dir / RESULTS_CSV, "w", newline="", encoding="utf-8") as file:
        _write_rows(file, results, metric, columns)


def _write_rows(
    file: Any, results: Sequence[JobResult], metric: str, columns: Sequence[Column[Row]]
) -> None:
    settings = [dict(map(_setting, each)) for each in differing([r.overrides for r in results])]
    keys = dict.fromkeys(key for each in settings for key in each)
    writer = csv.writer(file)
    headings = [keys if c is OVERRIDES else [c.title(metric)] for c in columns]
    writer.writerow(name for names in headings for name in names)
    for result, given in zip(results, settings, strict=True):
        row = Row(result, "")
        values = [[c.value(row)] if c is not OVERRIDES else map(given.get, keys) for c in columns]
        writer.writerow(value for cells in values for value in cells)


def _setting(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+").partition("=")
    return key, value

"""What ``forgather eval`` has found about the jobs of a sweep, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forgather_hydra.report.columns import METRIC, Column, Row
from forgather_hydra.report.results import JobResult
from forgather_hydra.rundir import evaluations

# Of what is evaluated on data, the number by which all models compare.
BRIEF = "bits_per_byte"
Key = tuple[str, str]


def columns_with_evaluations(
    columns: Sequence[Column[Row]], sweep_dir: Path, results: Sequence[JobResult], all_of_them: bool
) -> tuple[Column[Row], ...]:
    """The columns, with one for each metric of an evaluation after that by which jobs are ranked.

    Args:
        columns: of results.
        sweep_dir: in which the directories of jobs are named.
        results: of the jobs.
        all_of_them: also what is left out where there is little room.
    """
    found = {
        result.number: _metrics(sweep_dir / result.directory)
        for result in results
        if result.directory
    }
    keys = dict.fromkeys(key for metrics in found.values() for key in metrics)
    wanted = [key for key in keys if all_of_them or _is_brief(key, keys)]
    place = columns.index(METRIC) + 1
    return (*columns[:place], *(_column(key, found) for key in wanted), *columns[place:])


def _metrics(directory: Path) -> dict[Key, float]:
    return {
        (name, metric): value
        for name, each in evaluations.read(directory).items()
        for metric, value in each["metrics"].items()
        if isinstance(value, (int, float))
    }


def _is_brief(key: Key, keys: dict[Key, None]) -> bool:
    name, metric = key
    return metric == BRIEF or (name, BRIEF) not in keys


def _column(key: Key, found: dict[int, dict[Key, float]]) -> Column[Row]:
    def value(row: Row) -> Any:
        return found.get(row.result.number, {}).get(key)

    return Column(" ".join(key), value, "number", "{:.6g}".format)

"""Mean and spread over seeds: jobs that differ in their seeds only are one experiment."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forgather_hydra.report.columns import Column, table_of
from forgather_hydra.report.results import JobResult, differing
from forgather_hydra.rundir.states import State

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Group:
    """Jobs that differ in their seeds only.

    Attributes:
        overrides: what they share and others do not.
        values: of the metric, of those that have one.
    """

    overrides: str
    values: list[float]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """Sample standard deviation; 0 of a single value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def grouped(results: Sequence[JobResult], direction: str = "minimize") -> list[Group]:
    """The experiments, best mean first; none where no experiment has several seeds."""
    found: dict[str, list[float]] = {}
    for result, overrides in zip(results, differing([r.overrides for r in results]), strict=True):
        key = " ".join(text for text in overrides if not is_seed(text))
        is_number = result.value is not None and math.isfinite(result.value)
        if result.status == State.FINISHED and result.value is not None and is_number:
            found.setdefault(key, []).append(result.value)
    groups = [Group(overrides, values) for overrides, values in found.items()]
    if all(len(group.values) == 1 for group in groups):
        return []
    return sorted(groups, key=lambda group: group.mean, reverse=direction == "maximize")


def is_seed(override: str) -> bool:
    """Whether an override sets a seed."""
    return override.lstrip("+").partition("=")[0].rpartition(".")[2] == "seed"


COLUMNS = (
    Column[Group]("overrides", lambda group: group.overrides, "words"),
    Column[Group]("mean {metric}", lambda group: group.mean, "number", "{:.6g}".format),
    Column[Group]("spread", lambda group: group.spread, "number", "{:.2g}".format),
    Column[Group]("seeds", lambda group: len(group.values), "number"),
)


def seeds_table(groups: Sequence[Group], metric: str) -> Table:
    """A table of experiments in the order given."""
    return table_of(COLUMNS, groups, metric)


def save_seeds(path: Path, groups: Sequence[Group], metric: str) -> None:
    """Write experiments as CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(column.title(metric).replace(" ", "_", 1) for column in COLUMNS)
        writer.writerows([column.value(group) for column in COLUMNS] for group in groups)

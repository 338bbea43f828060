"""Sweeps that are written down: grid, paired keys, explicit jobs, and a filter over all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from forgather_hydra.sweep.options import count, mapping
from forgather_hydra.sweep.sweeper import JobSweeper


class GridSweeper(JobSweeper):
    """Runs the jobs that command line and configuration describe.

    Args:
        grid: values to try of each key, as a list or as on the command line: ``"1,2"``,
            ``range(1,4)``, ``glob(*)``. All combinations are run. The command line wins.
        zip: keys that change together: first value with first, second with second.
        list: explicit jobs, each a list of overrides or a mapping; crossed with the rest.
        where: a condition on what a job sets, or several; jobs that do not meet them are left out.
        params: the same as `grid`; the name that Hydra's own sweeper has for it.
        max_batch_size: how many jobs the launcher gets at a time; all if None.
        options: those of every `JobSweeper`.
    """

    def __init__(
        self,
        grid: Any,
        zip: Any,
        list: Sequence[Any] | None,
        where: str | Sequence[str] | None,
        params: Any,
        max_batch_size: Any,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.grid = grid
        self.zip = zip
        self.list = list or []
        self.where = [where] if isinstance(where, str) else where or []
        self.params = params
        self.max_batch_size = max_batch_size

    def sweep(self, arguments: Sequence[str]) -> Sequence[Sequence[JobReturn]]:
        with self.reporting():
            self.check_options()
            jobs = self.jobs(arguments)
            size = (
                len(jobs)
                if self.max_batch_size is None
                else count("max_batch_size", self.max_batch_size)
            )
        self.validate(jobs)
        sweep_dir = self.prepare_directory()
        try:
            for first in range(0, len(jobs), size):
                self.launch(jobs[first : first + size], first)
        finally:
            self.report(self.results(jobs, sweep_dir), sweep_dir)
        self.end()
        return self.returns

    def jobs(self, arguments: Sequence[str]) -> Sequence[Sequence[str]]:
        """The overrides of each job."""
        from forgather_hydra.sweep.plan import Plan

        params, grid = mapping("params", self.params), mapping("grid", self.grid)
        plan = Plan(
            grid=[*params.items(), *grid.items()],
            zipped=mapping("zip", self.zip),
            listed=self.list,
            where=self.where,
        )
        jobs = plan.jobs(arguments, self.parser)
        return [[setting.override for setting in job] for job in jobs]

    def results(self, jobs: Sequence[Sequence[str]], sweep_dir: Path) -> Sequence[Any]:
        """The results so far: of the jobs that returned, and of those that were cut short."""
        from forgather_hydra.report.results import result_of, result_without_return

        returned = [*chain(*self.returns)]
        return [
            result_of(returned[number], number, self.metric, sweep_dir)
            if number < len(returned)
            else result_without_return(number, job, self.metric, sweep_dir)
            for number, job in enumerate(jobs)
        ]

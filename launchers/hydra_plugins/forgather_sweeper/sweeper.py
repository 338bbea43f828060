"""``hydra/sweeper=forgather``: grid, paired keys, explicit jobs, and a filter over all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra_plugins.forgather_sweeper._jobs import JobSweeper, mistakes_told
from hydra_plugins.forgather_sweeper._options import Direction, ForgatherSweeperConf, mapping
from hydra_plugins.forgather_sweeper._plan import Plan

ConfigStore.instance().store(
    group="hydra/sweeper", name="forgather", node=ForgatherSweeperConf, provider="forgather"
)


class ForgatherSweeper(JobSweeper):
    """Runs the jobs that command line and configuration describe; see `ForgatherSweeperConf`."""

    def __init__(
        self,
        grid: Any,
        zip: Any,
        list: Sequence[Any] | None,
        where: str | Sequence[str] | None,
        params: Any,
        optimized_metric: str | None,
        direction: Direction,
        max_batch_size: int | None,
    ) -> None:
        super().__init__(optimized_metric, direction)
        self.grid = grid
        self.zip = zip
        self.list = list or []
        self.where = [where] if isinstance(where, str) else where or []
        self.params = params
        self.max_batch_size = max_batch_size

    @property
    def plan(self) -> Plan:
        params, grid = mapping("params", self.params), mapping("grid", self.grid)
        return Plan(
            grid=[*params.items(), *grid.items()],
            zipped=mapping("zip", self.zip),
            listed=self.list,
            where=self.where,
        )

    def sweep(self, arguments: Sequence[str]) -> Sequence[Sequence[JobReturn]]:
        with mistakes_told():
            combinations = self.plan.jobs(arguments, self.parser)
        jobs = [[setting.override for setting in job] for job in combinations]
        sweep_dir = self.prepare_directory()
        self.validate_batch_is_legal(jobs)
        size = self.max_batch_size or len(jobs)
        try:
            for first in range(0, len(jobs), size):
                self.launch(jobs[first : first + size], first)
        finally:
            self.report(self.results(jobs, sweep_dir), sweep_dir)
        self.end()
        return self.returns

    def results(self, jobs: Sequence[Sequence[str]], sweep_dir: Path) -> Sequence[Any]:
        """The results so far: of the jobs that returned, and of those that were cut short."""
        from forgather_hydra.run.results import result_of, result_without_return

        returned = [*chain(*self.returns)]
        return [
            result_of(returned[number], number, self.metric, sweep_dir)
            if number < len(returned)
            else result_without_return(number, job, self.metric, sweep_dir)
            for number, job in enumerate(jobs)
        ]

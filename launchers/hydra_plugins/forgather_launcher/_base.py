"""What both launchers share: compose the jobs, note them, and keep those that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from forgather_hydra.jobs.job import Job


class ProcessLauncher(Launcher):
    """Runs each job in processes of its own.

    Args:
        options: those in the configuration.

    Attributes:
        tells_failures: whether it says why a job failed as soon as it has.
    """

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.tells_failures = not options.get("detach")

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from forgather_hydra.config.given import directory_of
        from forgather_hydra.jobs.job import composed_job
        from forgather_hydra.jobs.launch import mistakes_told

        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        with mistakes_told():
            jobs = [
                composed_job(self.hydra_context, self.config, overrides, number)
                for number, overrides in enumerate(job_overrides, start=initial_job_idx)
            ]
            return self.run(jobs, directory_of(self.config, "hydra.sweep.dir"))

    def run(self, jobs: list[Job], sweep_dir: Path) -> list[JobReturn]:
        raise NotImplementedError

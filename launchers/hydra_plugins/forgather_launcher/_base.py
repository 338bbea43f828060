"""What both launchers share: compose the jobs, and run them as their options say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from forgather_hydra.jobs.job import Job
    from forgather_hydra.jobs.options import Options


class ProcessLauncher(Launcher):
    """Runs each job in processes of its own.

    Args:
        options: those in the configuration.

    Attributes:
        tells_failures: whether it says why a job failed as soon as it has.
        validated: jobs that have been composed already, by number and overrides.
    """

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.tells_failures = not options.get("detach")
        self.validated: dict[tuple[Any, ...], Job] = {}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from forgather_hydra.config.command_line import application_of
        from forgather_hydra.jobs.check import check_launch

        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config
        with application_of(hydra_context.config_loader).reporting():
            check_launch(config)

    def validate(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> None:
        """Compose jobs, and raise if one of them cannot be launched; nothing has been written."""
        if job_overrides:
            jobs, _ = self.prepared(job_overrides, initial_job_idx)
            self.validated = {
                (job.number, *overrides): job
                for job, overrides in zip(jobs, job_overrides, strict=True)
            }

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        from forgather_hydra.config.command_line import application_of
        from forgather_hydra.config.given import directory_of
        from forgather_hydra.jobs.launch import run_jobs
        from forgather_hydra.jobs.unfinished import Launch

        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        if not job_overrides:
            return []
        jobs, options = self.prepared(job_overrides, initial_job_idx)
        with application_of(self.hydra_context.config_loader).reporting():
            sweep_dir = directory_of(self.config, "hydra.sweep.dir")
            launch = Launch(jobs, sweep_dir, self.hydra_context, self.task_function)
            return run_jobs(launch, options)

    def prepared(
        self, job_overrides: Sequence[Sequence[str]], first: int
    ) -> tuple[list[Job], Options]:
        """The jobs, and the options that hold for all of them."""
        from forgather_hydra.config.command_line import application_of
        from forgather_hydra.jobs.choice import options_for_all
        from forgather_hydra.jobs.job import composed_job
        from forgather_hydra.jobs.local.ahead import import_ahead

        with application_of(self.hydra_context.config_loader).reporting():
            if not self.validated:
                import_ahead(self.config, len(job_overrides))
            jobs = [
                self.validated.pop(key)
                if (key := (number, *overrides)) in self.validated
                else composed_job(self.hydra_context, self.config, overrides, number)
                for number, overrides in enumerate(job_overrides, start=first)
            ]
            return jobs, options_for_all(jobs, self.config)

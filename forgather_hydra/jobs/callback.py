"""A Hydra callback that checks a single run, and how it is launched, before anything is written."""

from __future__ import annotations

from omegaconf import DictConfig

from forgather_hydra.config.command_line import application_of
from forgather_hydra.config.copies import started_processes
from forgather_hydra.jobs.check import check_launch
from forgather_hydra.jobs.sweep_alone import check_is_no_sweep
from forgather_hydra.jobs.topology import topology_of
from forgather_hydra.run.callback import CheckBeforeRun


class CheckBeforeLaunch(CheckBeforeRun):
    """Stops the command line also if the launcher's options or resources cannot work."""

    def check(self, config: DictConfig) -> None:
        application = application_of()
        with application.reporting():
            check_is_no_sweep(config)
            check_launch(config)
        super().check(config)
        with application.reporting():
            topology_of(config, started_processes())

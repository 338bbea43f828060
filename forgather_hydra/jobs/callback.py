"""A Hydra callback that checks a single run, and how it is launched, before anything is written."""

from __future__ import annotations

from omegaconf import DictConfig

from forgather_hydra.jobs.check import check_launch
from forgather_hydra.jobs.launch import mistakes_told
from forgather_hydra.jobs.sweep_alone import check_is_no_sweep
from forgather_hydra.jobs.topology import topology_of
from forgather_hydra.run.callback import CheckBeforeRun


class CheckBeforeLaunch(CheckBeforeRun):
    """Stops the command line also if the launcher's options or resources cannot work."""

    def check(self, config: DictConfig) -> None:
        with mistakes_told():
            check_is_no_sweep(config)
            check_launch(config)
        super().check(config)
        with mistakes_told():
            topology_of(config)

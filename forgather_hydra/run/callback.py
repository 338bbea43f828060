"""A Hydra callback that checks a single run's configuration before its directory is made."""

from __future__ import annotations

from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from forgather_hydra.config.command_line import check_if_asked


class CheckBeforeRun(Callback):
    """Stops the command line before anything is written if the configuration cannot work."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        check_if_asked(config)

"""Runs and sweeps from Python, as the command line starts them."""

from __future__ import annotations

from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from forgather_hydra.config.command_line import UsageExit, command_line
from forgather_hydra.jobs.single import run_here_or_elsewhere
from forgather_hydra.paths import conf_dir
from forgather_hydra.run import directory


def launch(*overrides: str, multirun: bool = False) -> Any:
    """Run a job, or a sweep.

    Args:
        overrides: as on the command line: ``+experiment=baseline``, ``optimizer.lr=1e-3``.
        multirun: run a job for each combination of the swept values.

    Returns:
        Hydra's `JobReturn`, or what the sweeper returns: for a grid, a list of batches of them.

    Raises:
        ForgatherError: the configuration is wrong; nothing has been run.
    """
    directory.register()
    try:
        with command_line(), initialize_config_dir(str(conf_dir()), version_base=None):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            start = hydra.multirun if multirun else hydra.run
            return start(
                config_name="config", task_function=run_here_or_elsewhere, overrides=list(overrides)
            )
    except UsageExit as stop:
        raise stop.error from stop

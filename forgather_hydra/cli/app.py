"""``python -m forgather_hydra``: the Hydra application, with our error messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import hydra
from omegaconf import DictConfig

from forgather_hydra.config.command_line import UsageExit, command_line
from forgather_hydra.errors import ForgatherError
from forgather_hydra.paths import conf_dir
from forgather_hydra.run import directory

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def task(cfg: DictConfig) -> Any:
    """What Hydra calls for each job."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from forgather_hydra.run.job import run

    try:
        return run(cfg)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # the other jobs go on; Hydra reports this one at the end
        if isinstance(error, ForgatherError) and not _is_bug(error):
            raise UsageExit(error) from error
        raise


def main() -> None:
    """Entry point; exits with 0, 1 (a job failed), 2 (the configuration is wrong) or 130 (interrupted)."""
    directory.register()
    application = hydra.main(version_base=None, config_path=str(conf_dir()), config_name="config")(task)
    try:
        with command_line():
            application()
    except UsageExit as stop:
        _tell(stop.error)
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command with resume=auto goes on from the last checkpoint", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _is_bug(error: ForgatherError) -> bool:
    """Whether a constructor failed inside its own code rather than on its arguments."""
    return False


def _tell(error: ForgatherError) -> None:
    print(f"error: {error}", file=sys.stderr)
    if os.environ.get("HYDRA_FULL_ERROR") == "1" and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)

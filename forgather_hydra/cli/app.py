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
from forgather_hydra.run.record import RunIsBusy

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

# Failures of the world or of what was asked for, rather than of code: the message says enough.
_TOLD = (OSError, FloatingPointError, MemoryError, RunIsBusy, ValueError)


def task(cfg: DictConfig) -> Any:
    """What Hydra calls for each job."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from forgather_hydra.launchers.single import run_here_or_elsewhere

    try:
        return run_here_or_elsewhere(cfg)
    except ForgatherError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # the other jobs go on; Hydra reports this one at the end
        raise UsageExit(error) from error
    except _TOLD as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN or _wants_traceback():
            raise
        print("\n  ".join([f"error: {error}", *_notes(error)]), file=sys.stderr)
        sys.exit(EXIT_USAGE if isinstance(error, ValueError) else EXIT_FAILED)


def main() -> None:
    """Entry point; exits with 0, 1 (job failed), 2 (configuration wrong) or 130 (interrupted)."""
    directory.register()
    application = hydra.main(version_base=None, config_path=str(conf_dir()), config_name="config")(
        task
    )
    try:
        with command_line():
            application()
    except UsageExit as stop:
        _tell(stop.error)
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        print(
            "\ninterrupted; the same command with resume=auto goes on from the last checkpoint",
            file=sys.stderr,
        )
        sys.exit(EXIT_INTERRUPTED)


def _tell(error: ForgatherError) -> None:
    print(f"error: {error}", file=sys.stderr)
    if _wants_traceback() and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)


def _notes(error: BaseException) -> list[str]:
    """What was noted about an error on its way, and for one of any library where it comes from."""
    notes = list(getattr(error, "__notes__", []))
    if isinstance(error, ValueError):
        last = traceback.extract_tb(error.__traceback__)[-1]
        notes.append(f"raised at {last.filename}:{last.lineno}; HYDRA_FULL_ERROR=1 shows all calls")
    return notes


def _wants_traceback() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"

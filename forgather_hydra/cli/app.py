"""``python -m forgather_hydra``: the Hydra application, with our error messages and exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from forgather_hydra.cli.dashes import (
    options_first,
    part_to_resolve,
    refuse_contradiction,
    refuse_missing_folders,
    refuse_options,
)
from forgather_hydra.config.command_line import UsageExit, command_line
from forgather_hydra.errors import ForgatherError
from forgather_hydra.garbage import look_seldom
from forgather_hydra.large_tensors import align_large_tensors
from forgather_hydra.paths import conf_dir
from forgather_hydra.run import directory
from forgather_hydra.run.failure import exit_code, message_of, says_enough, wants_traceback

EXIT_INTERRUPTED = 130


def task(cfg: DictConfig) -> Any:
    """What Hydra calls for each job."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import JobStatus
    from hydra.types import RunMode

    from forgather_hydra.jobs.outcome import exit_code_of
    from forgather_hydra.jobs.single import run_elsewhere
    from forgather_hydra.run.job import run

    try:
        if (elsewhere := run_elsewhere(cfg)) is None:
            return run(cfg)
        if elsewhere.status == JobStatus.FAILED:  # the launcher has told why
            sys.exit(exit_code_of(Path(HydraConfig.get().runtime.output_dir)))
        return elsewhere.return_value
    except ForgatherError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise  # the other jobs go on; Hydra reports this one at the end
        raise UsageExit(error) from error
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN or not says_enough(error):
            raise
        print(message_of(error), file=sys.stderr)
        sys.exit(exit_code(error))


def main() -> None:
    """Entry point; exits with 0, 1 (job failed), 2 (configuration wrong) or 130 (interrupted)."""
    look_seldom()
    align_large_tensors()
    look_beside_me()
    directory.register()
    application = hydra.main(version_base=None, config_path=str(conf_dir()), config_name="config")(
        task
    )
    try:
        refuse_options(sys.argv[1:])
        refuse_contradiction(sys.argv[1:])
        refuse_missing_folders(sys.argv[1:])
        sys.argv[1:] = options_first(sys.argv[1:])
        if os.getcwd() not in sys.path and "" not in sys.path:
            sys.path.append(os.getcwd())  # where python -m, too, finds modules
        with command_line(part_to_resolve(sys.argv[1:])):
            application()
    except ForgatherError as error:
        _tell(error)
        sys.exit(exit_code(error))
    except UsageExit as stop:
        _tell(stop.error)
        sys.exit(exit_code(stop.error))
    except KeyboardInterrupt as stop:
        way_on = "the same command with resume=auto goes on from the last checkpoint"  # of a run
        print("\ninterrupted;", *getattr(stop, "__notes__", [way_on]), file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def look_beside_me() -> None:
    """Have modules in the working directory found, as ``python -m`` does and a script does not."""
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _tell(error: Exception) -> None:
    print("\n  ".join([f"error: {error}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    if wants_traceback() and error.__cause__ is not None:
        traceback.print_exception(error.__cause__)

"""A Hydra callback that checks a single run before anything of it is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from forgather_hydra.config.command_line import UsageExit, application_of
from forgather_hydra.config.composition import Composed
from forgather_hydra.config.given import directory_of
from forgather_hydra.errors import ForgatherError
from forgather_hydra.run.directory import is_named_by_time
from forgather_hydra.rundir import record


class CheckBeforeRun(Callback):
    """Stops the command line if the configuration or the run directory cannot work."""

    def __init__(self) -> None:
        self._held = ExitStack()  # the run directory, until the command has ended
        self._made: Sequence[Path] = ()  # folders that were not there before

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        self.check(config)
        is_first = os.environ.get("RANK", "0") == "0"
        if application_of().is_ours and is_first:
            place = directory_of(config, "hydra.run.dir")
            is_new = "WORLD_SIZE" not in os.environ and is_named_by_time(config)
            run_dir, self._made = prepare(place, is_new, self._held)
            if run_dir != place:
                with read_write(config.hydra), open_dict(config.hydra):
                    config.hydra.run.dir = str(run_dir)

    def check(self, config: DictConfig) -> None:
        """Look for mistakes."""
        application_of().check(Composed.of(config))

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        if application_of().is_ours and config.hydra.launcher.get("dry_run", False):
            run_dir, log = directory_of(config, "hydra.run.dir"), f"{config.hydra.job.name}.log"
            record.forget_plan(run_dir, log, self._made)
        self._held.close()


def prepare(run_dir: Path, is_new: bool, held: ExitStack) -> tuple[Path, Sequence[Path]]:
    """Make and hold the directory of a run, and keep the configuration that is in it.

    Args:
        run_dir: the directory.
        is_new: whether it must be nobody else's: where it is, the run gets one beside it.
        held: what the directory is let go of with.

    Returns:
        The directory, and the folders that were made, the innermost first.

    Raises:
        UsageExit: the directory cannot be made, or another process runs, or is about to, in it.
    """
    try:
        made = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
        if is_new:
            place = _made_by_nobody_else(run_dir)
            made = [place, *(folder for folder in made if folder != run_dir)]
            run_dir = place
        run_dir.mkdir(parents=True, exist_ok=True)
        held.enter_context(record.starting(run_dir))
        record.keep_configuration(run_dir)
    except (OSError, record.RunIsBusy) as error:
        hint = "set output_root or hydra.run.dir"
        raise UsageExit(ForgatherError("run_directory", str(error), hint=hint)) from error
    return run_dir, made


def _made_by_nobody_else(run_dir: Path) -> Path:
    """A directory that this process makes: runs that begin in the same second are several."""
    place = run_dir
    for number in count(2):
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            place = run_dir.with_name(f"{run_dir.name}-{number}")
        else:
            break
    return place

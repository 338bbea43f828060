"""A sweep that is started without ``-m``, and so as one run, which is half of a command."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.given import hydra_overrides, task_overrides
from forgather_hydra.config.own_plugins import OWN_OVERRIDES
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.errors import ForgatherError

# What a command line says about sweeps alone.
_KEYS = ("sweep", "hydra/sweeper", "hydra.sweeper", "hydra.sweep")
_PARTS = ("grid", "zip", "list", "params")  # of a sweeper's configuration, null or empty if unused


def check_is_no_sweep(config: DictConfig) -> None:
    """Say that ``-m`` is missing, if the configuration of a single run describes a sweep.

    Raises:
        ForgatherError: ``no_sweep``, where the command line does; files that it chooses may be
            meant for single runs too, and are only told about.
    """
    if config.get("resume") not in (None, "auto"):
        return  # the words are also those of the run that goes on, which may be a sweep's
    hint = "add -m (or --multirun) to run all of its jobs, or leave it out"
    for word in _words_about_sweeps(config):
        message = f"{word} is about a sweep, and without -m this is one run"
        raise ForgatherError("no_sweep", message, hint=hint)
    sweeper = config.hydra.sweeper
    if any(OmegaConf.select(sweeper, part) for part in _PARTS):
        message = "warning: hydra.sweeper describes a sweep; without -m this is one run"
        print(message, file=sys.stderr)


def _words_about_sweeps(config: DictConfig) -> Iterator[str]:
    overrides = [*hydra_overrides(config.hydra), *task_overrides(config.hydra)]
    for override in parsed_overrides(overrides):
        key = override.key_or_group
        if override.input_line in OWN_OVERRIDES:
            continue
        if any(key == name or key.startswith((f"{name}.", f"{name}/")) for name in _KEYS):
            yield str(override.input_line)

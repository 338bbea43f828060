"""What is wrong with how a configuration is to be launched, found before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

from omegaconf import DictConfig

from forgather_hydra.config.copies import tell_copies
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.check import raise_all
from forgather_hydra.jobs.job import options_in
from forgather_hydra.jobs.options import (
    Options,
    SlurmOptions,
    option_problems,
    options_class,
    read_options,
    read_resources,
    resource_problems,
    time_problems,
)
from forgather_hydra.jobs.topology import resources_in

# These take what jobs return as it is, and need not wait for it.
_PATIENT = ("BasicSweeper", "ForgatherSweeper")


def check_launch(config: DictConfig) -> Options | None:
    """Check the launcher's options and `resources`, of a job or of a sweep.

    Returns:
        The options, as the configuration resolves them; None of a launcher that is not ours.

    Raises:
        ForgatherError: ``bad_launcher`` or ``bad_resources``; one error tells all that is wrong.
    """
    tell_copies()
    kind = options_class(str(config.hydra.launcher._target_))
    values, asked = options_in(config) if kind else {}, resources_in(config)
    problems = [*option_problems(kind, values)] if kind else []
    problems += resource_problems(asked) if asked else ()
    options = read_options(values) if kind and not problems else None
    if options:
        problems += _in_vain(options, config)
        problems += time_problems(options, read_resources(asked)) if asked else ()
    raise_all(problems, problems[0].kind if problems else "")
    return options


def _in_vain(options: Options, config: DictConfig) -> Iterator[ForgatherError]:
    sweeper = str(config.hydra.sweeper._target_).rpartition(".")[2]
    if isinstance(options, SlurmOptions) and options.detach and sweeper not in _PATIENT:
        message = f"hydra.launcher.detach: {sweeper} has to wait for the results of its jobs"
        yield ForgatherError("bad_launcher", message, hint="leave detach out")

"""A job without ``-m``: in this process where that will do, else as its launcher says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from forgather_hydra.config.command_line import application_of
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.former import make_way
from forgather_hydra.jobs.job import job_of, options_in
from forgather_hydra.jobs.launch import run_jobs
from forgather_hydra.jobs.local.slots import devices
from forgather_hydra.jobs.options import (
    LocalOptions,
    Options,
    SlurmOptions,
    options_class,
    read_options,
)
from forgather_hydra.jobs.topology import topology_of
from forgather_hydra.jobs.unfinished import Launch
from forgather_hydra.run.job import run
from forgather_hydra.rundir.record import put_back_configuration


def run_here_or_elsewhere(cfg: DictConfig) -> Any:
    """Run a composed job in Hydra's output directory.

    Raises:
        ForgatherError: the job needs several processes, and the launcher can't start them.
        Exception: whatever the job has failed with.
    """
    returned = run_elsewhere(cfg)
    return run(cfg) if returned is None else returned.return_value


def run_elsewhere(cfg: DictConfig) -> JobReturn | None:
    """Have the launcher run a composed job, if this process is not to run it.

    A job of one process runs in this one. One of several is handed to the launcher, and so is any
    job whose launcher is a cluster's, or has been told which devices to use, or only to say what it
    would do. A process that somebody else has started as one of several, with torchrun for
    example, takes its part.

    Returns:
        The job's return, once the user has been told how it ended; None for this process to run it.

    Raises:
        ForgatherError: the job needs several processes, and the launcher can't start them.
    """
    try:
        return _handed_over(cfg)
    except ForgatherError:
        put_back_configuration(Path(HydraConfig.get().runtime.output_dir))
        raise


def _handed_over(cfg: DictConfig) -> JobReturn | None:
    hydra = HydraConfig.get()
    kind = options_class(str(hydra.launcher._target_))
    # Only a launcher gives a job both; its mode is not told to jobs that Python has launched.
    is_sweep = not any(OmegaConf.is_missing(hydra.job, key) for key in ("id", "num"))
    if "WORLD_SIZE" in os.environ or (is_sweep and kind):
        return None  # this is a worker
    whole = cfg.copy()
    with open_dict(whole):
        whole.hydra = hydra
    OmegaConf.set_readonly(whole.hydra, None)
    options = read_options(options_in(whole)) if kind else None
    wanted = options.devices if isinstance(options, LocalOptions) else "auto"
    processes = topology_of(whole).settled(len(devices(wanted))).world_size
    if options and not is_sweep and (processes > 1 or _asks_for_more(options)):
        return _launched(whole, options)
    _refuse_one_of_several(processes)
    make_way(Path(hydra.runtime.output_dir))
    return None


def _asks_for_more(options: Options) -> bool:
    """Whether the launcher has been told something that this process does not do by itself."""
    if isinstance(options, SlurmOptions) or options.dry_run or options.snapshot or options.env:
        return True
    is_usual = options.devices == "auto" and options.threads_per_proc == "auto"
    return not is_usual or options.on_error.retries > 0


def _refuse_one_of_several(processes: int) -> None:
    if processes > 1:
        raise ForgatherError(
            "bad_resources",
            f"the job needs {processes} processes, and the chosen launcher starts one",
            hint="use hydra/launcher=forgather_local, which is the default, or forgather_slurm",
        )


def _launched(whole: DictConfig, options: Options) -> JobReturn:
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra

    context = HydraContext(
        config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks(whole)
    )
    with open_dict(whole):  # a later attempt, which resumes, must not look for a directory anew
        whole.hydra.run.dir = whole.hydra.runtime.output_dir
    application = application_of(context.config_loader)
    job = job_of(whole, 0, ("hydra.run.dir", None), application)
    (job_return,) = run_jobs(Launch([job], job.directory, context, run), options)
    return job_return

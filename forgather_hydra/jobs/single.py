"""A job without ``-m``: in this process where that will do, else as its launcher says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.job import job_of
from forgather_hydra.jobs.launch import run_locally
from forgather_hydra.jobs.local.slots import devices
from forgather_hydra.jobs.topology import topology_of
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
        return _run_elsewhere(cfg)
    except ForgatherError:
        put_back_configuration(Path(HydraConfig.get().runtime.output_dir))
        raise


def _run_elsewhere(cfg: DictConfig) -> JobReturn | None:
    hydra = HydraConfig.get()
    launcher = str(hydra.launcher._target_)
    is_ours = launcher.startswith("hydra_plugins.forgather_launcher.")
    is_sweep = not OmegaConf.is_missing(hydra.job, "num")
    if "WORLD_SIZE" in os.environ or (is_sweep and is_ours):
        return None  # this is a worker
    whole = cfg.copy()
    with open_dict(whole):
        whole.hydra = hydra
    OmegaConf.set_readonly(whole.hydra, None)
    wanted = hydra.launcher.get("devices", "auto")
    gpus = len(devices(wanted))
    processes = topology_of(whole).settled(gpus).world_size
    is_slurm = ".slurm" in launcher
    is_told = wanted != "auto" or hydra.launcher.get("dry_run", False)
    if is_ours and not is_sweep and (processes > 1 or is_slurm or is_told):
        return _launched(whole, is_slurm)
    _refuse_one_of_several(processes)
    return None


def _refuse_one_of_several(processes: int) -> None:
    if processes > 1:
        raise ForgatherError(
            "bad_resources",
            f"the job needs {processes} processes, and the chosen launcher starts one",
            hint="use hydra/launcher=forgather_local, which is the default, or forgather_slurm",
        )


def _launched(whole: DictConfig, is_slurm: bool) -> JobReturn:
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra

    context = HydraContext(
        config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks(whole)
    )
    with open_dict(whole):  # a later attempt, which resumes, must not look for a directory anew
        whole.hydra.run.dir = whole.hydra.runtime.output_dir
    job = job_of(whole, 0, ("hydra.run.dir", None))
    options = job.options
    if is_slurm:
        from forgather_hydra.jobs.slurm.run import run_on_slurm

        (job_return,) = run_on_slurm([job], job.directory, options, context, run)
    else:
        (job_return,) = run_locally([job], job.directory, options, context, run)
    return job_return

"""Imports for jobs that are to be forked, while these are still composed and checked."""

from __future__ import annotations

import sys

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.jobs.job import options_in
from forgather_hydra.jobs.local.cores import cores
from forgather_hydra.jobs.local.forked import fork_server
from forgather_hydra.jobs.local.processes import worker_environment
from forgather_hydra.jobs.local.slots import devices
from forgather_hydra.jobs.local.start import FOR_TRAINING, threads, variables
from forgather_hydra.jobs.options import LocalOptions, options_class, read_options
from forgather_hydra.jobs.snapshot import import_path

TRAINER = "forgather_hydra.train.Trainer"


def import_ahead(sweep: DictConfig, jobs: int) -> None:
    """Start importing what the jobs of a sweep will be forked with, if they will train here.

    Should a job differ from the sweep in what counts for this, it gets a process as without it.

    Args:
        sweep: the configuration of the sweep.
        jobs: how many there are.
    """
    if jobs < 2 or sys.platform != "linux" or not _trains(sweep):
        return
    if options_class(str(sweep.hydra.launcher._target_)) is not LocalOptions:
        return
    options = read_options(options_in(sweep))
    assert isinstance(options, LocalOptions)
    if options.dry_run or options.snapshot or devices(options.devices):
        return
    parallel = cores() if options.max_parallel == "auto" else options.max_parallel
    own_threads = threads(options, min(parallel, jobs))
    environment = worker_environment(import_path(None), own_threads, variables(options))
    fork_server(environment).have_imported(FOR_TRAINING)


def _trains(sweep: DictConfig) -> bool:
    """Whether jobs train in one process, as far as can be known without importing the trainer."""
    return bool(OmegaConf.select(sweep, "trainer._target_", throw_on_missing=False) == TRAINER)

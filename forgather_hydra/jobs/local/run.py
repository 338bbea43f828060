"""Runs jobs on this machine, and waits for them."""

from __future__ import annotations

from pathlib import Path

from hydra.core.utils import JobReturn

from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.local.pool import LocalPool
from forgather_hydra.jobs.options import LocalOptions
from forgather_hydra.jobs.plan import print_local_plan
from forgather_hydra.jobs.snapshot import import_path
from forgather_hydra.jobs.unfinished import Launch, planned, run_unfinished


def run_locally(launch: Launch, options: LocalOptions) -> list[JobReturn]:
    """Run jobs on this machine, and wait for them.

    Raises:
        ForgatherError: something cannot work; nothing has been run.
        KeyboardInterrupt: after everything that was started has ended.
    """
    tried = LocalPool(launch.jobs, Path(), options, [])  # before anything is written
    if options.dry_run:
        print_local_plan(tried)
        return planned(launch.jobs)

    def run(left: list[Job]) -> list[JobReturn]:
        code = launch.copy_code(options)
        return LocalPool(left, launch.write_task(), options, import_path(code)).run()

    return run_unfinished(launch, run)

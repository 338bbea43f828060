"""Run jobs where their launcher's options say."""

from __future__ import annotations

from hydra.core.utils import JobReturn

from forgather_hydra.jobs.options import LocalOptions, Options
from forgather_hydra.jobs.unfinished import Launch


def run_jobs(launch: Launch, options: Options) -> list[JobReturn]:
    """Run jobs where the options say, and wait for them unless these say otherwise.

    Raises:
        ForgatherError: something cannot work; nothing has been run.
        KeyboardInterrupt: what is to be told has been.
    """
    if isinstance(options, LocalOptions):
        from forgather_hydra.jobs.local.run import run_locally

        return run_locally(launch, options)
    from forgather_hydra.jobs.slurm.run import run_on_slurm

    return run_on_slurm(launch, options)

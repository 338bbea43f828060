"""``hydra/launcher=forgather_slurm``: jobs on a SLURM cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra_plugins.forgather_launcher._base import ProcessLauncher
from hydra_plugins.forgather_launcher._options import SLURM

if TYPE_CHECKING:
    from forgather_hydra.jobs.job import Job

ConfigStore.instance().store(
    group="hydra/launcher", name="forgather_slurm", node=SLURM, provider="forgather"
)

# These take what jobs return as it is, and need not wait for it.
_PATIENT = ("BasicSweeper", "ForgatherSweeper")


class ForgatherSlurmLauncher(ProcessLauncher):
    """Submits the jobs, like ones as an array, and waits for them or not."""

    def run(self, jobs: list[Job], sweep_dir: Path) -> list[JobReturn]:
        from forgather_hydra.errors import ForgatherError
        from forgather_hydra.jobs.slurm.run import run_on_slurm

        sweeper = str(self.config.hydra.sweeper._target_).rpartition(".")[2]
        if self.options["detach"] and sweeper not in _PATIENT:
            message = f"hydra.launcher.detach: {sweeper} has to wait for the results of its jobs"
            raise ForgatherError("bad_launcher", message, hint="leave detach out")
        return run_on_slurm(jobs, sweep_dir, self.options, self.hydra_context, self.task_function)

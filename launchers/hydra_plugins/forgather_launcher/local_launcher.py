"""``hydra/launcher=forgather_local``: jobs in processes of their own, on this machine's devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra_plugins.forgather_launcher._base import ProcessLauncher
from hydra_plugins.forgather_launcher._options import LOCAL

if TYPE_CHECKING:
    from forgather_hydra.jobs.job import Job

ConfigStore.instance().store(
    group="hydra/launcher", name="forgather_local", node=LOCAL, provider="forgather"
)


class ForgatherLocalLauncher(ProcessLauncher):
    """Shares the devices of this machine, or its CPUs, among the jobs."""

    def run(self, jobs: list[Job], sweep_dir: Path) -> list[JobReturn]:
        from forgather_hydra.jobs.launch import run_locally

        return run_locally(jobs, sweep_dir, self.options, self.hydra_context, self.task_function)

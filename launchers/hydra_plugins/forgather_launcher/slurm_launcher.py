"""``hydra/launcher=forgather_slurm``: jobs on a SLURM cluster."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from hydra_plugins.forgather_launcher._base import ProcessLauncher
from hydra_plugins.forgather_launcher._options import SLURM

ConfigStore.instance().store(
    group="hydra/launcher", name="forgather_slurm", node=SLURM, provider="forgather"
)


class ForgatherSlurmLauncher(ProcessLauncher):
    """Submits the jobs, like ones as an array, and waits for them or not."""

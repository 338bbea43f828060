"""``hydra/launcher=forgather_local``: jobs in processes of their own, on this machine's devices."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore
from hydra_plugins.forgather_launcher._base import ProcessLauncher
from hydra_plugins.forgather_launcher._options import LOCAL

ConfigStore.instance().store(
    group="hydra/launcher", name="forgather_local", node=LOCAL, provider="forgather"
)


class ForgatherLocalLauncher(ProcessLauncher):
    """Shares the devices of this machine, or its CPUs, among the jobs."""

"""``hydra/sweeper=forgather``: grid, paired keys, explicit jobs, and a filter over all."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra_plugins.forgather_sweeper._base import LateSweeper

from forgather_hydra.sweep.options import FORGATHER

ConfigStore.instance().store(
    group="hydra/sweeper", name="forgather", node=FORGATHER, provider="forgather"
)


class ForgatherSweeper(LateSweeper):
    """Stands for a `GridSweeper`."""

    @staticmethod
    def made(options: dict[str, Any]) -> Any:
        from forgather_hydra.sweep.grid import GridSweeper

        return GridSweeper(**options)

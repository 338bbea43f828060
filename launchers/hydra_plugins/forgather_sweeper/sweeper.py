"""``hydra/sweeper=forgather``: grid, paired keys, explicit jobs, and a filter over all."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore

from forgather_hydra.sweep import grid
from forgather_hydra.sweep.options import FORGATHER

ConfigStore.instance().store(
    group="hydra/sweeper", name="forgather", node=FORGATHER, provider="forgather"
)


class ForgatherSweeper(grid.GridSweeper):
    __doc__ = grid.GridSweeper.__doc__

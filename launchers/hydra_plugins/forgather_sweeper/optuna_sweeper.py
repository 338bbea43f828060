"""``hydra/sweeper=forgather_optuna``: search with Optuna, in a study that can be continued."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra_plugins.forgather_sweeper._base import LateSweeper

from forgather_hydra.sweep.options import FORGATHER_OPTUNA

ConfigStore.instance().store(
    group="hydra/sweeper", name="forgather_optuna", node=FORGATHER_OPTUNA, provider="forgather"
)


class ForgatherOptunaSweeper(LateSweeper):
    """Stands for a `SearchSweeper`."""

    @staticmethod
    def made(options: dict[str, Any]) -> Any:
        from forgather_hydra.sweep.search import SearchSweeper

        return SearchSweeper(**options)

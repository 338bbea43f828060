"""``hydra/sweeper=forgather_optuna``: search with Optuna, in a study that can be continued."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore

from forgather_hydra.sweep import search
from forgather_hydra.sweep.options import FORGATHER_OPTUNA

ConfigStore.instance().store(
    group="hydra/sweeper", name="forgather_optuna", node=FORGATHER_OPTUNA, provider="forgather"
)


class ForgatherOptunaSweeper(search.SearchSweeper):
    __doc__ = search.SearchSweeper.__doc__

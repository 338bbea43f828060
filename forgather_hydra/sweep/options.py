"""The options of the sweepers with their defaults, and checks of what a user wrote there.

They are plain mappings, since a structured config would cost every Hydra application 15 ms when it
starts. Options that hold mappings are null by default: ``hydra.sweeper.grid={lr: [1, 2]}`` then
needs no ``+``.
"""

from __future__ import annotations

from typing import Any

from forgather_hydra.errors import ForgatherError

_COMMON = {
    "_recursive_": False,
    "_convert_": "all",
    # What jobs are compared by: an entry of the dict that a job returns; eval_loss if null.
    "optimized_metric": "${oc.select:optimized_metric,null}",
    "direction": "minimize",  # or maximize
}

FORGATHER = {
    "_target_": "hydra_plugins.forgather_sweeper.sweeper.ForgatherSweeper",
    **_COMMON,
    "grid": None,
    "zip": None,
    "list": None,
    "where": None,
    "params": None,
    "max_batch_size": None,
}

FORGATHER_OPTUNA = {
    "_target_": "hydra_plugins.forgather_sweeper.optuna_sweeper.ForgatherOptunaSweeper",
    **_COMMON,
    "params": None,
    "n_trials": 20,
    "n_jobs": 1,
    "storage": None,
    "study_name": "${hydra.job.name}",
    "sampler": {"_target_": "optuna.samplers.TPESampler", "seed": 42},
    "pruner": None,
    "pruning_callback": "callbacks.pruning",
}


def mapping(name: str, value: Any) -> dict[str, Any]:
    """The mapping that an option holds, or an empty one.

    Raises:
        ForgatherError: ``bad_sweep``, as do the functions below.
    """
    if value is not None and not isinstance(value, dict):
        raise _bad(name, value, "a mapping")
    return value or {}


def count(name: str, value: Any) -> int:
    """The number that an option holds, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _bad(name, value, "a number of 1 or more")
    return value


def direction(value: Any) -> str:
    """The direction of a search."""
    if value not in ("minimize", "maximize"):
        raise _bad("direction", value, "minimize or maximize")
    return str(value)


def _bad(name: str, value: Any, wanted: str) -> ForgatherError:
    return ForgatherError("bad_sweep", f"hydra.sweeper.{name} must be {wanted}, not {value!r}")

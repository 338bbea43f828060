"""The options of the sweepers, as ``hydra.sweeper`` holds them.

Mappings are untyped and None by default: only then does ``hydra.sweeper.grid={lr: [1, 2]}`` need no
``+``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from forgather_hydra.errors import ForgatherError


class Direction(Enum):
    """Which values of the metric are better: small or large ones."""

    minimize = "minimize"
    maximize = "maximize"


@dataclass
class ForgatherSweeperConf:
    """Options of the sweep.

    Attributes:
        grid: values to try of each key, as a list or as on the command line: ``"1,2"``,
            ``range(1,4)``, ``glob(*)``. All combinations are run. The command line wins.
        zip: keys that change together: first value with first, second with second.
        list: explicit jobs, each a list of overrides or a mapping; crossed with the rest.
        where: conditions on what a job sets; a job must meet all of them.
        params: the same as `grid`; the name that Hydra's own sweeper has for it.
        optimized_metric: what jobs are ranked by: an entry of the dict that a job returns.
        direction: ``minimize`` or ``maximize``.
        max_batch_size: how many jobs the launcher gets at a time; all if null.
    """

    _target_: str = "hydra_plugins.forgather_sweeper.sweeper.ForgatherSweeper"
    _recursive_: bool = False
    _convert_: str = "all"
    grid: Any = None
    zip: Any = None
    list: Any = None
    where: Any = None
    params: Any = None
    optimized_metric: Any = "${oc.select:optimized_metric,null}"
    direction: Direction = Direction.minimize
    max_batch_size: int | None = None


@dataclass
class ForgatherOptunaSweeperConf:
    """Options of the search.

    Attributes:
        params: what to search, by key: a list to choose from, or text as on the command line, such
            as ``tag(log,interval(1e-4,1e-2))``. The command line wins.
        n_trials: how many trials the study shall have, earlier ones and failed ones included.
        n_jobs: how many trials the launcher gets at a time.
        storage: URL of a database; ``study.db`` in the sweep's directory if null.
        study_name: name of the study in the storage.
        sampler: an Optuna sampler. The number of the trial is added to its seed.
        pruner: an Optuna pruner, or null to run every trial to its end.
        pruning_callback: where the configuration of a job gets the callback that feeds the pruner.
        optimized_metric: what is optimized: an entry of the dict that a job returns.
        direction: ``minimize`` or ``maximize``.
    """

    _target_: str = "hydra_plugins.forgather_sweeper.optuna_sweeper.ForgatherOptunaSweeper"
    _recursive_: bool = False
    _convert_: str = "all"
    params: Any = None
    n_trials: int = 20
    n_jobs: int = 1
    storage: str | None = None
    study_name: str = "${hydra.job.name}"
    sampler: dict[str, Any] = field(
        default_factory=lambda: {"_target_": "optuna.samplers.TPESampler", "seed": 42}
    )
    pruner: Any = None
    pruning_callback: str = "callbacks.pruning"
    optimized_metric: Any = "${oc.select:optimized_metric,null}"
    direction: Direction = Direction.minimize


def mapping(name: str, value: Any) -> dict[str, Any]:
    """The mapping that an option holds, or an empty one.

    Raises:
        ForgatherError: ``bad_sweep``, if it holds something else.
    """
    if value is not None and not isinstance(value, dict):
        message = f"hydra.sweeper.{name} is {value!r}, not a mapping of keys to values"
        raise ForgatherError("bad_sweep", message)
    return value or {}

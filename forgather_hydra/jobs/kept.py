"""The configurations of a sweep's jobs, each kept as what it adds to one that many share."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.jobs import Recipe
from forgather_hydra.report.returns import Packed


@dataclass(frozen=True)
class Recalled:
    """A configuration that is composed again when it is asked for.

    Attributes:
        recipe: how it is made.
        settings: the first attributes of its record, which jobs do not share.
        resolved: what its resolvers have kept, such as the time.
        number: Hydra's number of the job.
    """

    recipe: Recipe
    settings: tuple[Any, ...]
    resolved: dict[str, Any]
    number: int

    def unpacked(self) -> DictConfig:
        """The configuration, made anew each time."""
        config = self.recipe.config()
        OmegaConf.get_cache(config).update(copy.deepcopy(self.resolved))
        record = Composition(*self.settings)
        record.take(self.recipe.base.record)
        number_job(config, self.number)
        return Composed(config, record).for_hydra()

    def __getstate__(self) -> Any:
        return Packed(self.__dict__)

    def __setstate__(self, state: Packed[dict[str, Any]]) -> None:
        self.__dict__.update(state.unpacked())


def kept(config: DictConfig, number: int) -> Recalled | Packed[DictConfig]:
    """The configuration of a job that has just been composed, and numbered, in little memory."""
    record = Composed.of(config).record
    if record.recipe is None:
        return Packed(config)
    settings = record.pins, record.typed, record.folders, record.strict
    cache = OmegaConf.get_cache(config).items()
    resolved = {name: value for name, value in cache if value is not record}
    return Recalled(record.recipe, settings, resolved, number)


def number_job(config: DictConfig, number: int) -> None:
    """Give a job its number."""
    with open_dict(config):
        config.hydra.job.id = number
        config.hydra.job.num = number

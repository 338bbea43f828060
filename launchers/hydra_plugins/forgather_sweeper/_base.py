"""What both sweepers share: any Hydra application imports them, and few sweep with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from forgather_hydra.sweep.sweeper import JobSweeper


class LateSweeper(Sweeper):
    """A sweeper that is imported once it is used.

    Args:
        options: of the sweeper that it stands for.
    """

    def __init__(self, **options: Any) -> None:
        self.sweeper = self.made(options)

    @staticmethod
    def made(options: dict[str, Any]) -> JobSweeper:
        """The sweeper itself."""
        raise NotImplementedError

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Sequence[Sequence[JobReturn]]:
        returns: Sequence[Sequence[JobReturn]] = self.sweeper.sweep(arguments)
        return returns

"""A trainer whose steps are taken by Torch Titan's training loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.parallel.accel import AccelTrainer
from forgather_hydra.train.titan import library
from forgather_hydra.train.titan.job import check_titan


class TitanTrainer(AccelTrainer):
    """Trains a model of ours, on data of ours, by Torch Titan's `Trainer`
    (https://github.com/pytorch/torchtitan), in one process or several.

    Its loop, normalization of losses, clipping, metrics and profiling are Torch Titan's. Model,
    data, optimizer, schedule, evaluation, callbacks and checkpoints are those of `AccelTrainer`
    with `sharded`: losses and weights are its, up to rounding.

    Args:
        job: sections of Torch Titan's `JobConfig`, such as `{"profiling": {"enable_profiling":
            True}}`; what follows from `args` is not said there.
        positional, others: as for `Trainer`.

    Raises:
        ValueError: when it starts, naming all that it does not do.
        ModuleNotFoundError, ImportError: when it starts, if no release that works is installed.
    """

    def __init__(
        self, *positional: Any, job: Mapping[str, Any] | None = None, **others: Any
    ) -> None:
        self.job = job or {}
        super().__init__(*positional, sharded=True, **others)

    @staticmethod
    def check_optimizers(arguments: Mapping[str, Any], kinds: Iterable[type]) -> None:
        AccelTrainer.check_optimizers({**arguments, "sharded": True}, kinds)

    def join(self) -> None:
        check_titan(self.args, self.job)
        library.load()
        super().join()

    def take_steps(self, groups: Iterator[list[Batch]]) -> None:
        from forgather_hydra.train.titan.injected import take_steps  # imports Torch Titan

        take_steps(self, groups)

"""Data-parallel training with Hugging Face Accelerate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from forgather_hydra.train.parallel.data_parallel import DataParallel, make_accelerator
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.passed_on import passes_others_to
from forgather_hydra.train.trainer import Trainer


class AccelTrainer(Trainer):
    """Trains in as many processes as `torchrun` or `accelerate launch` has started, with a copy of
    the model in each, or a part of it.

    Batch size and gradient accumulation in the arguments are those of one process. Processes share
    out every batch of the common order, so that W of them with batches of b take the steps of one
    with batches of W x b. Numerics, accumulation and data are those of `Trainer`.

    Args:
        sharded: whether to divide the model, its gradients and the optimizer's state among the
            processes (FSDP2) instead of copying them.
        accelerator_kwargs: for `accelerate.Accelerator`, for example
            `{"kwargs_handlers": [DistributedDataParallelKwargs(...)]}`.
        positional, others: as for `Trainer`.

    Raises:
        ValueError: when it starts, if Accelerate is told what the arguments say, or is configured
            to shard the model itself, or the optimizer cannot do with parts of weights.
    """

    @passes_others_to(Trainer)
    def __init__(
        self,
        *positional: Any,
        sharded: bool = False,
        accelerator_kwargs: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        self.sharded = sharded
        self.accelerator_kwargs = accelerator_kwargs or {}
        super().__init__(*positional, **others)

    @classmethod
    def process_count(cls, arguments: Mapping[str, Any]) -> ProcessCount:
        return ProcessCount()

    @staticmethod
    def check_optimizers(arguments: Mapping[str, Any], kinds: Iterable[type]) -> None:
        """Check whether several processes can train with some classes of optimizers.

        Args:
            arguments: of the trainer, by name, those whose values are known.
            kinds: the classes.

        Raises:
            ValueError: for one that needs whole weights, where each process has a part of them.
        """
        if arguments.get("sharded"):
            from forgather_hydra.train.parallel.fsdp import check_classes

            check_classes(kinds)

    def prepare(self, checkpoint: Path | None) -> None:
        super().prepare(checkpoint)
        if self.strategy.loss_is_collective:
            from forgather_hydra.train.parallel.fsdp import check_optimizer

            check_optimizer(self.optimizer)

    def _make_strategy(self) -> DataParallel:
        accelerator = make_accelerator(self.args, self.accelerator_kwargs)
        if self.sharded and accelerator.num_processes > 1:
            from forgather_hydra.train.parallel.fsdp import Sharded  # half a second of imports

            return Sharded(self.args, self.objective, accelerator)
        return DataParallel(self.args, self.objective, accelerator)

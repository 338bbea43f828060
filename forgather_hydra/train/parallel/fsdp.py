"""Data-parallel training of a model that is divided among the processes (PyTorch's FSDP2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.checkpoint.rng import seed_everything
from forgather_hydra.train.loss import Objective, count_targets
from forgather_hydra.train.optim.low_rank import LowRankAdam
from forgather_hydra.train.packing import check_documents_apart, second_document
from forgather_hydra.train.parallel.base import SingleProcess
from forgather_hydra.train.parallel.data_parallel import DataParallel

WHOLE = (torch.optim.Adafactor, LowRankAdam)


class Sharded(DataParallel):
    """One of several processes, each of which keeps a part of every weight, gradient and optimizer
    state, and has the whole of a layer only while computing with it (Zhao et al. 2023,
    https://arxiv.org/abs/2304.11277).
    """

    loss_is_collective = True

    def __init__(
        self,
        args: TrainingArguments,
        objective: Objective,
        accelerator: Accelerator,
    ) -> None:
        super().__init__(args, objective, accelerator)
        self._mesh = init_device_mesh(self.device.type, (self.world_size,))

    def prepare(self, model: torch.nn.Module) -> None:
        SingleProcess.prepare(self, model)
        if not isinstance(model, FSDPModule):  # it is one where it has been prepared before
            self._divide(model)
        self._divided: Any = model
        self._example = None
        self.parameters = list(model.parameters())
        if self.rank:  # each process has its own dropout, from the same weights
            seed_everything(self.args.seed + self.rank)

    def _divide(self, model: torch.nn.Module) -> None:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, 0)
        for layer in layers(model):
            fully_shard(layer, mesh=self._mesh)
        fully_shard(model, mesh=self._mesh)

    def backward(self, batch: Batch, count: int, total: int, *, last: bool) -> list[torch.Tensor]:
        self._divided.set_requires_gradient_sync(last)
        loss = self.loss(batch) * (count * self.world_size / total)  # the average undoes the factor
        self.scaled(loss).backward()
        return [loss.detach()]

    def loss(self, batch: Batch) -> torch.Tensor:
        """As for one process, but all have to take part, with or without targets of their own."""
        self._agree_on_example(batch)
        return self.forward(self.model, batch if count_targets(batch) else self.example)

    def predict(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        self._agree_on_example(batch)
        return super().predict(batch if len(batch["input_ids"]) else self.example)

    def _replicate(self) -> None:
        """Does nothing: each process has a part of the one model."""

    def _check_documents(self, batch: Batch) -> None:
        if self._documents_are_apart or "position_ids" not in batch:
            return
        for each, document in self.gather((batch, second_document(batch))):
            if document:  # all have to take part, with the same batch
                check_documents_apart(self.model, each, document, self._logits)
                self._documents_are_apart = True
                return

    def gradient_norm(self) -> torch.Tensor:
        square = super().gradient_norm() ** 2
        dist.all_reduce(square)
        return square.sqrt()

    def _gradients(self) -> list[torch.Tensor]:
        """This process's parts of the gradients."""
        return [gradient.to_local() for gradient in super()._gradients()]  # type: ignore[attr-defined]

    def tensors_to_save(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return self._gathered(tensors, lambda number: number % self.world_size)

    def gather_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return self._gathered(tensors, lambda number: 0)

    def shard_of(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        if not isinstance(like, DTensor) or tensor.ndim == 0:
            return tensor
        whole = tensor.to(like.device)
        return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)

    def _gathered(self, tensors: Mapping[str, torch.Tensor], owner: Any) -> dict[str, torch.Tensor]:
        """Whole tensors, on the host, of which this process is the owner by their number."""
        mine = {}
        for number, (name, tensor) in enumerate(tensors.items()):
            whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            if owner(number) == self.rank:
                mine[name] = whole.cpu()
        return mine


def check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError for an optimizer that needs a whole weight at once."""
    check_classes(type(each) for each in getattr(optimizer, "optimizers", [optimizer]))


def check_classes(kinds: Iterable[type]) -> None:
    """Raises ValueError for the class of an optimizer that needs a whole weight at once."""
    for kind in kinds:
        if issubclass(kind, WHOLE) or kind.__module__.startswith("bitsandbytes"):
            raise ValueError(
                f"{kind.__name__} needs whole weights, and sharded leaves each process a part of "
                "them: use AdamW or SGD, or trainer=accel"
            )


def layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The modules that are divided one by one: those of the classes which the model does not want
    to be split, and otherwise the members of its lists and dictionaries of modules.
    """
    classes = getattr(model, "_no_split_modules", None) or ()
    named = [module for module in model.modules() if type(module).__name__ in classes]
    containers = (torch.nn.ModuleList, torch.nn.ModuleDict)
    held = (m.children() for m in model.modules() if isinstance(m, containers))
    return named or [module for children in held for module in children]

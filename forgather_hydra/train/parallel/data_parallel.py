"""One of several processes with a copy of the model each (Accelerate, and PyTorch's DDP)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import DistributedType

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.checkpoint.rng import preserved_rng, seed_everything
from forgather_hydra.train.loss import Objective, count_targets
from forgather_hydra.train.parallel.base import GroupResult, SingleProcess
from forgather_hydra.train.parallel.processes import HostGroup


class DataParallel(SingleProcess):
    """One of several processes that average their gradients once a group of batches."""

    def __init__(
        self,
        args: TrainingArguments,
        objective: Objective,
        accelerator: Accelerator,
    ) -> None:
        super().__init__(args, objective, accelerator.device)
        self.accelerator = accelerator
        self.rank = self.replica = accelerator.process_index
        self.local_rank = accelerator.local_process_index
        self.world_size = self.replicas = accelerator.num_processes
        self._host = _host_group() if self.world_size > 1 else None
        if args.async_save and self.world_size > 1:
            self.background = HostGroup(self.rank, dist.new_group(backend="gloo"))

    def prepare(self, model: torch.nn.Module) -> None:
        super().prepare(model)
        self._example: Batch | None = None  # computed with where there is nothing to compute with
        self._replicated: list[bool] = []
        if self.rank:  # each process has its own dropout, from the same weights
            seed_everything(self.args.seed + self.rank)

    def accumulate(self, group: Sequence[Batch], after_pass: Callable[[], None]) -> GroupResult:
        if self.world_size > 1:
            self._agree_on_example(group[0])
            self._replicate()
        return super().accumulate(group, after_pass)

    def backward(self, batch: Batch, count: int, total: int, *, last: bool) -> list[torch.Tensor]:
        if self.world_size == 1:
            return super().backward(batch, count, total, last=last)
        with nullcontext() if last else self._replica.no_sync():
            # Gradients meet during the backward pass: a process without targets takes part in it.
            loss = self.forward(self._replica, batch if count else self.example)
            loss = loss * (count * self.world_size / total)  # the average undoes the factor
            self.scaled(loss).backward()
        return [loss.detach()]

    @property
    def example(self) -> Batch:
        """A batch with targets; there is one from the first batch on."""
        assert self._example is not None
        return self._example

    def _agree_on_example(self, batch: Batch) -> None:
        """Takes for an example the batch of one of the processes, in all of them."""
        if self._example is None:
            mine = with_targets(batch) if len(batch["input_ids"]) else None
            self._example = next(each for each in self.gather(mine) if each is not None)

    def _replicate(self) -> None:
        """Wraps the model, once for each choice of the parameters that are trained.

        DDP adds up the gradients of those only that were trained when it was made. And it
        rearranges its buckets after its first backward pass, after which sums are rounded
        differently: it has that behind it when training begins, since a resumed run would otherwise
        not equal an uninterrupted one.
        """
        trained = [parameter.requires_grad for parameter in self.parameters]
        if trained == self._replicated:
            return
        self._replicated = trained
        before = [parameter.grad for parameter in self.parameters]
        self.zero_gradients()
        self._replica: Any = self.accelerator.prepare_model(self.model, device_placement=False)
        was_training = self.model.training
        self.model.eval()
        with preserved_rng(), torch.compiler.set_stance("force_eager"):
            self.forward(self._replica, self.example).backward()
        self.model.train(was_training)
        for parameter, gradient in zip(self.parameters, before, strict=True):
            parameter.grad = gradient

    def reduce(self, losses: list[torch.Tensor]) -> torch.Tensor:
        loss = super().reduce(losses)
        return self.accelerator.reduce(loss, "mean") if self.world_size > 1 else loss

    def tensors_to_save(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return tensors if self.rank == 0 else {}

    def gather_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return self.tensors_to_save(tensors)

    def add_up(self, *numbers: int) -> list[int]:
        if self.world_size == 1:
            return list(numbers)
        sums = torch.tensor(numbers)
        dist.all_reduce(sums, group=self._host)
        return sums.tolist()

    def gather(self, value: Any) -> list[Any]:
        if self.world_size == 1:
            return [value]
        return HostGroup(self.rank, self._host).gather(value)


def make_accelerator(args: TrainingArguments, options: dict[str, Any]) -> Accelerator:
    """An accelerator that places and replicates the model, and leaves precision and accumulation
    to the trainer.
    """
    owned = {"cpu": "use_cpu", "mixed_precision": "bf16", "gradient_accumulation_steps": ""}
    for name in owned.keys() & options.keys():
        raise ValueError(
            f"accelerator_kwargs has {name!r}: set {owned[name] or name} in the arguments instead"
        )
    if args.device not in (None, "cpu"):
        raise ValueError(
            f"device is {args.device!r}, but AccelTrainer gives each process its own: leave it out"
        )
    has_device = torch.accelerator.is_available()
    on_cpu = args.use_cpu or args.device == "cpu" or not has_device
    if args.fuse_optim_with_backward:
        raise ValueError(
            "fuse_optim_with_backward takes steps before the processes have shared their gradients:"
            " unset it, or use Trainer"
        )
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no", **options)
    sharded = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
    if accelerator.distributed_type in sharded:
        raise ValueError(
            f"Accelerate is configured for {accelerator.distributed_type.value}, and AccelTrainer "
            "places the model itself: configure a multi-GPU or multi-CPU launch, and divide the "
            "model with trainer.sharded=true"
        )
    return accelerator


def _host_group() -> dist.ProcessGroup | None:
    """A group for numbers on the host, so that exchanging them does not wait for the device."""
    return None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")


def with_targets(batch: Batch) -> Batch:
    """The batch, every token of which is a target if it has no targets of its own."""
    return batch if count_targets(batch) else {**batch, "labels": batch["input_ids"]}

"""One process of a pipeline: its stages, and the steps that it takes together with the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.checkpoint.rng import seed_everything
from forgather_hydra.train.loss import LossFunction, Objective, count_targets
from forgather_hydra.train.optim.state import SEPARATOR
from forgather_hydra.train.parallel.base import GroupResult, SingleProcess
from forgather_hydra.train.parallel.device import (
    choose_device,
    compile_in_place,
    enable_gradient_checkpointing,
)
from forgather_hydra.train.parallel.processes import HostGroup
from forgather_hydra.train.pipeline.plan import PipelinePlan
from forgather_hydra.train.pipeline.steps import PipelineSteps
from forgather_hydra.train.pipeline.weights import PipelineWeights


class Launch(NamedTuple):
    """Which process this is, as the launcher says."""

    rank: int
    local_rank: int
    world_size: int

    @classmethod
    def from_environment(cls) -> Launch:
        """Raises:
        RuntimeError: if no launcher has started this process.
        """
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
        if missing := [name for name in names if name not in os.environ]:
            raise RuntimeError(
                f"PipelineTrainer needs {', '.join(missing)} in the environment: start the run "
                "with torchrun --nproc-per-node=<processes>"
            )
        return cls(*(int(os.environ[name]) for name in names))


class PipelineParallel(SingleProcess):
    """A process that runs some stages of a model, in one of `plan.replicas` pipelines.

    Processes are numbered by position in the pipeline, then by replica. `model` has the parts of
    this process only, under their names in the whole model.
    """

    def __init__(
        self,
        args: TrainingArguments,
        objective: Objective,
        loss_function: LossFunction | None,
        plan: PipelinePlan,
        launch: Launch,
        skeleton: torch.nn.Module,
    ) -> None:
        super().__init__(args, objective, _own_device(args, launch))
        self.loss_function = loss_function
        self.plan = plan
        self.rank, self.local_rank, self.world_size = launch
        self._skeleton = skeleton
        _join_processes(self.device)
        if args.async_save:
            self.background = HostGroup(self.rank, dist.new_group(backend="gloo"))
        mesh = init_device_mesh(
            self.device.type, (plan.processes, plan.replicas), mesh_dim_names=("stage", "replica")
        )
        self._pipeline, self._copies = mesh.get_group("stage"), mesh.get_group("replica")
        self.position, self.replica = mesh.get_local_rank("stage"), mesh.get_local_rank("replica")
        self.replicas = plan.replicas

    def build(self, model_init: Callable[[], torch.nn.Module]) -> torch.nn.Module:
        """The whole model in the first process, which draws its weights; without any elsewhere."""
        return model_init() if self.rank == 0 else self._skeleton

    def prepare(self, model: torch.nn.Module) -> None:
        if self.args.gradient_checkpointing:
            enable_gradient_checkpointing(model, self.args.gradient_checkpointing_kwargs)
        self._weights = PipelineWeights(self.plan, model, self._skeleton, self.rank)
        self._weights.hand_out(self.device)
        self.model = self._weights.part
        self.parameters = list(self.model.parameters())
        named = self.model.named_parameters()
        self._counted = [p for name, p in named if self._weights.counts(name)]
        self._own = set(self.model.parameters())
        first_names = self._weights.first_names
        self.aliases = {name: first for name, first in first_names.items() if name != first}
        self._share_tied()
        self._steps = PipelineSteps(
            self.plan,
            self.model,
            self.position,
            self.device,
            self._pipeline,
            self.loss_function,
            self._autocast,
        )
        for module in self._steps.modules:
            compile_in_place(module, self.args)
        if self.rank:  # each process has its own dropout
            seed_everything(self.args.seed + self.rank)

    def totals(self, targets: int, tokens: int) -> list[int]:
        sums = torch.tensor([targets, tokens])
        dist.all_reduce(sums, group=self._copies)
        return sums.tolist()

    def accumulate(self, group: Sequence[Batch], after_pass: Callable[[], None]) -> GroupResult:
        result = super().accumulate(group, after_pass)
        if self.replicas > 1:
            _add_up([p.grad for p in self.parameters if p.grad is not None], self._copies)
        for parameters, processes in self._tied:
            _add_up([p.grad for p in parameters if p.grad is not None], processes)
        return result

    def backward(self, batch: Batch, count: int, total: int, *, last: bool) -> list[torch.Tensor]:
        if count or self.replicas > 1:  # gradients meet those of other replicas in any case
            return self._steps.train(batch, total, self.loss_scale)
        return []

    def reduce(self, losses: list[torch.Tensor]) -> torch.Tensor:
        return self._sum(losses, None)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean loss over the targets of a batch of this pipeline, in each of its processes."""
        losses, _ = self._steps.evaluate(batch, count_targets(batch))
        return self._sum(losses, self._pipeline)

    def predict(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        losses, logits = self._steps.evaluate(batch, count_targets(batch), outputs=True)
        return self._sum(losses, self._pipeline), logits

    def _sum(self, losses: list[torch.Tensor], group: Any) -> torch.Tensor:
        """Sum of losses, of which each process has some or none."""
        # In one dtype: those without any do not know that of the others'.
        loss = torch.stack(losses).sum().float() if losses else torch.zeros((), device=self.device)
        dist.all_reduce(loss, group=group)
        return loss

    def gradient_norm(self) -> torch.Tensor:
        gradients = [p.grad for p in self._counted if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        squares = norms.square().sum()
        dist.all_reduce(squares, group=self._pipeline)
        return squares.sqrt()

    def add_up(self, *numbers: int) -> list[int]:
        sums = torch.tensor(numbers)
        dist.all_reduce(sums)
        return sums.tolist()

    def gather(self, value: Any) -> list[Any]:
        values = [value] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def full_model(self) -> torch.nn.Module | None:
        """A copy of the model on the CPU, in the first process."""
        model = self._weights.full_model()
        return model and model.train(self.model.training)

    def named_parameters(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        return self._weights.parameters.items()

    def owns(self, parameter: torch.Tensor) -> bool:
        return parameter in self._own

    def tensors_to_save(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return {
            name: tensor
            for name, tensor in tensors.items()
            if self._weights.is_saved_here(name.partition(SEPARATOR)[0])
        }

    def gather_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return self._weights.collect(self.tensors_to_save(tensors))

    def _share_tied(self) -> None:
        """Makes the groups in which gradients of parameters in several processes are added up."""
        self._tied: list[tuple[list[torch.nn.Parameter], Any]] = []
        for positions, parameters in sorted(self._weights.shared().items()):
            # Every process takes part in making every group.
            groups = [
                dist.new_group([position * self.replicas + replica for position in positions])
                for replica in range(self.replicas)
            ]
            if self.position in positions:
                self._tied.append((parameters, groups[self.replica]))


def _own_device(args: TrainingArguments, launch: Launch) -> torch.device:
    device = choose_device(args)
    return device if device.type == "cpu" else torch.device(device.type, launch.local_rank)


def _join_processes(device: torch.device) -> None:
    """Meets the other processes; numbers on the host are exchanged without the device."""
    if device.type != "cpu":
        torch.accelerator.set_device_index(device.index)
    if not dist.is_initialized():
        backend = dist.get_default_backend_for_device(device)
        dist.init_process_group(
            backend if device.type == "cpu" else f"cpu:gloo,{device.type}:{backend}"
        )


def _add_up(gradients: Sequence[torch.Tensor], group: Any) -> None:
    """Puts the sum over a group of processes in the place of each gradient."""
    for work in [dist.all_reduce(gradient, group=group, async_op=True) for gradient in gradients]:
        work.wait()

"""Which processes have which weights of a model; weights handed out to them and put together."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from forgather_hydra.train.pipeline.plan import PipelinePlan
from forgather_hydra.train.pipeline.stages import cut, fill, named_tensors


class PipelineWeights:
    """Parameters and buffers of a model, each under the first of its names, over the processes.

    Those of several stages, as a tied embedding is, are in several processes.

    Args:
        model: with weights in the first process, and at least without them elsewhere.
        skeleton: another one without weights.

    Attributes:
        part: the model of this process, with its stages only.
        holders: positions in the pipeline at which a parameter or buffer is, in order.
    """

    def __init__(
        self, plan: PipelinePlan, model: nn.Module, skeleton: nn.Module, rank: int
    ) -> None:
        self._plan, self._skeleton, self._rank = plan, skeleton, rank
        self.position, self._replica = divmod(rank, plan.replicas)
        self._tensors = named_tensors(model)
        first: dict[int, str] = {}
        self.first_names = {n: first.setdefault(id(t), n) for n, t in self._tensors.items()}
        parts = [cut(model, plan.stages_of(position)) for position in range(plan.processes)]
        self.part = parts[self.position]
        self.holders: dict[str, list[int]] = {}
        for position, part in enumerate(parts):
            for name in dict.fromkeys(self.first_names[name] for name in named_tensors(part)):
                self.holders.setdefault(name, []).append(position)

    def hand_out(self, device: torch.device) -> None:
        """Puts the weights of the first process into the parts of all, on their devices."""
        values: Mapping[str, torch.Tensor] = self._tensors
        if self._rank == 0:
            self._send_parts()
        else:
            values = {n: _empty(values[n]) for n in self.holders if self._has(n)}
            for tensor in values.values():
                dist.recv(tensor, 0)
        fill(self.part, lambda name: values[self.first_names[name]].to(device))
        own = {self.first_names[name]: p for name, p in self.part.named_parameters()}
        self.parameters = {
            name: own[name] if name in own else _stand_in(tensor, device)
            for name, tensor in self._tensors.items()
            if isinstance(tensor, nn.Parameter) and self.first_names[name] == name
        }
        self._tensors = {}

    def collect(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors of all processes, each from one of them, in the memory of the first."""
        about = [(name, tensor.shape, tensor.dtype) for name, tensor in tensors.items()]
        everything: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everything, about)
        collected: dict[str, torch.Tensor] = {}
        for rank, described in enumerate(everything):
            for name, shape, dtype in described:
                if self._rank == rank == 0:
                    collected[name] = tensors[name].cpu()
                elif self._rank == 0:
                    collected[name] = torch.empty(shape, dtype=dtype)
                    dist.recv(collected[name], rank)
                elif self._rank == rank:
                    dist.send(tensors[name].cpu().contiguous(), 0)
        return collected

    def full_model(self) -> nn.Module | None:
        """A copy of the whole model on the CPU, in the first process."""
        own = {name: t.detach() for name, t in named_tensors(self.part).items()}
        values = self.collect({name: t for name, t in own.items() if self.is_saved_here(name)})
        if self._rank:
            return None
        model = copy.deepcopy(self._skeleton)
        fill(model, lambda name: values[self.first_names[name]])
        return model

    def is_saved_here(self, name: str) -> bool:
        """Whether this process is the one that saves a parameter or buffer of its own."""
        return self._replica == 0 and self.first_names[name] == name and self.counts(name)

    def counts(self, name: str) -> bool:
        """Whether this is the first position at which a parameter or buffer is."""
        return self.holders[self.first_names[name]][0] == self.position

    def shared(self) -> dict[tuple[int, ...], list[nn.Parameter]]:
        """For each set of positions that have parameters in common, those of them that are here."""
        shared: dict[tuple[int, ...], list[nn.Parameter]] = {
            tuple(positions): [] for positions in self.holders.values() if len(positions) > 1
        }
        for name, parameter in self.part.named_parameters():
            positions = tuple(self.holders[self.first_names[name]])
            if len(positions) > 1:
                shared[positions].append(parameter)
        return shared

    def _has(self, name: str) -> bool:
        return self.position in self.holders[name]

    def _send_parts(self) -> None:
        for rank in range(1, self._plan.processes * self._plan.replicas):
            for name, positions in self.holders.items():
                if rank // self._plan.replicas in positions:
                    dist.send(self._tensors[name].detach().cpu().contiguous(), rank)


def _stand_in(like: torch.Tensor, device: torch.device) -> nn.Parameter:
    value = torch.zeros((), dtype=like.dtype, device=device).expand(like.shape)
    return nn.Parameter(value, requires_grad=like.requires_grad)


def _empty(like: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(like, device="cpu")

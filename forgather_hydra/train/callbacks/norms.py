"""Norms of gradients and weights, by parameter name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.intervals import log_is_due
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerControl, TrainerState


class NormsCallback(TrainerCallback):
    """Adds to each log the norms of groups of parameters: `grad_norm/<label>`, after clipping, and
    `weight_norm/<label>`.

    Measured at the steps that are logged by the arguments' schedule, of the parameters that the
    first process holds.

    Args:
        patterns: label -> regular expression found anywhere in a parameter's name; a parameter
            counts for every label that fits.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self.patterns = dict(patterns)
        self._groups: dict[str, list[torch.nn.Parameter]] = {}
        self._norms: dict[str, torch.Tensor] = {}

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        strategy: Strategy,
        **kwargs: Any,
    ) -> None:
        named = [(name, p) for name, p in strategy.named_parameters() if p.requires_grad]
        self._groups = {
            label: [p for name, p in named if re.search(pattern, name)]
            for label, pattern in self.patterns.items()
        }
        if idle := [label for label, group in self._groups.items() if not group]:
            raise ValueError(f"patterns that fit no parameter: {', '.join(idle)}")

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        strategy: Strategy,
        **kwargs: Any,
    ) -> None:
        if not log_is_due(args, state.global_step + 1, state.max_steps):
            return
        for label, group in self._groups.items():
            held = list(filter(strategy.owns, group))
            gradients = [p.grad for p in held if p.grad is not None]
            for kind, tensors in (("grad", gradients), ("weight", held)):
                if tensors:
                    self._norms[f"{kind}_norm/{label}"] = _norm(tensors)

    def on_log_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        if "loss" in logs and self._norms:
            values = torch.stack(list(self._norms.values())).tolist()
            logs.update(zip(self._norms, values, strict=True))
            self._norms = {}


@torch.no_grad()
def _norm(tensors: list[Any]) -> torch.Tensor:
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm

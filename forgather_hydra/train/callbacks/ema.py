"""A moving average of the weights, to evaluate and to keep."""

from __future__ import annotations

from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerControl, TrainerState

KEY = "ema"


class EMACallback(TrainerCallback):
    """Keeps an exponential moving average of the weights.

    After every step the average moves by 1 - d towards the weights, d = min(`decay`, (1+t)/(10+t))
    in step t, so that it soon forgets the initial weights. It is kept with the optimizer's state,
    by parameter, in the parameter's type or fp32, and is saved and resumed with it, however many
    processes hold the parameters.

    With `evaluate`, evaluations are of the averaged weights, and so is the model when training has
    ended, which `save_model` writes; checkpoints hold both. Put this callback behind those that
    look at the model on evaluation, or before them to show them the weights as trained.

    Raises:
        ValueError: for a `decay` that is none; when training begins, with
            `load_best_model_at_end`, which asks for other
            weights in the end.
    """

    def __init__(self, decay: float = 0.999, evaluate: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}: give a number from 0 to below 1")
        self.decay = decay
        self.evaluate = evaluate
        self._weights: list[torch.Tensor] = []
        self._averages: list[torch.Tensor] = []
        self._kept: list[torch.Tensor] = []
        self._groups = 0  # parameter groups whose weights are listed

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: torch.optim.Optimizer,
        strategy: Strategy,
        **kwargs: Any,
    ) -> None:
        if self.evaluate and args.load_best_model_at_end:
            raise ValueError(
                "EMACallback leaves averaged weights at the end of training, and "
                "load_best_model_at_end those of a checkpoint: unset it, or evaluate=False"
            )
        self._weights, self._averages, self._groups = [], [], 0
        groups = optimizer.param_groups
        if any(KEY in optimizer.state.get(p, {}) for group in groups for p in group["params"]):
            self._collect(optimizer, strategy)  # the averages have come with a checkpoint

    @torch.no_grad()
    def on_optimizer_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        optimizer: torch.optim.Optimizer,
        strategy: Strategy,
        **kwargs: Any,
    ) -> None:
        if self._groups != len(optimizer.param_groups):
            self._collect(optimizer, strategy)
        step = state.global_step + 1
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._averages, _like(self._weights, self._averages), 1 - decay)

    def on_evaluate_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.evaluate and self._averages:
            self._kept = [weight.detach().clone() for weight in self._weights]
            self._put(self._averages)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._kept:
            self._put(self._kept)
            self._kept = []

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.evaluate and self._averages:
            self._put(self._averages)
        self._weights, self._averages = [], []

    def _collect(self, optimizer: torch.optim.Optimizer, strategy: Strategy) -> None:
        """Lists weights and averages; makes the averages, unless they came with a checkpoint.

        Done after a first step, for optimizers take a parameter that has a state for one that they
        have stepped before.
        """
        self._weights, self._averages = [], []
        self._groups = len(optimizer.param_groups)
        for group in optimizer.param_groups:
            for weight in filter(strategy.owns, group["params"]):
                state = optimizer.state[weight]
                if KEY not in state:
                    kind = torch.promote_types(weight.dtype, torch.float32)
                    state[KEY] = weight.detach().to(kind, copy=True)
                self._weights.append(weight)
                self._averages.append(state[KEY])

    @torch.no_grad()
    def _put(self, values: list[torch.Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=True):
            weight.copy_(value)


def _like(tensors: list[torch.Tensor], others: list[torch.Tensor]) -> list[torch.Tensor]:
    """The tensors in the types of the others."""
    return [t.to(other.dtype) for t, other in zip(tensors, others, strict=True)]

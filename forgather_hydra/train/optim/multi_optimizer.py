"""Several optimizers as one, and optimizers that step during the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch.optim import Optimizer

from forgather_hydra.train.optim.modes import set_mode

NamedParameters = Iterable[tuple[str, torch.nn.Parameter]]
OptimizerFactory = Callable[[NamedParameters], Optimizer]


class MultiOptimizer(Optimizer):
    """Optimizers with parameters of their own, stepped together.

    Parameter groups and state are those of all of them, in order, so that schedules, checkpoints
    and callbacks see a single optimizer.
    """

    def __init__(self, optimizers: Iterable[Optimizer]) -> None:
        self.optimizers = list(optimizers)
        self._first = [0]  # number of the first group of each optimizer
        for optimizer in self.optimizers:
            self._first.append(self._first[-1] + len(optimizer.param_groups))
        super().__init__([group for each in self.optimizers for group in each.param_groups], {})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for index in range(len(self.optimizers)):
            self.step_one(index)

    def step_one(self, index: int) -> None:
        """Steps one of the optimizers."""
        self._part(index).step()

    def train(self) -> None:
        """Has those that keep other weights for evaluation train again."""
        self._set_modes("train")

    def eval(self) -> None:
        """Has those that keep other weights for evaluation show them."""
        self._set_modes("eval")

    def _set_modes(self, mode: str) -> None:
        for index in range(len(self.optimizers)):
            set_mode(self._part(index), mode)

    def _part(self, index: int) -> Optimizer:
        optimizer = self.optimizers[index]
        # Given anew each time, since loading a state replaces the whole.
        optimizer.state = self.state
        optimizer.param_groups = self.param_groups[self._first[index] : self._first[index + 1]]
        return optimizer


class BackwardOptimizer(MultiOptimizer):
    """An optimizer for each parameter, stepped as soon as its gradient is complete.

    The gradient is freed at once, so that there is never more than one.

    Args:
        named_parameters: `(name, parameter)` pairs.
        factory: makes the optimizer of one parameter.
    """

    def __init__(self, named_parameters: NamedParameters, factory: OptimizerFactory) -> None:
        pairs = list(named_parameters)
        super().__init__(factory([pair]) for pair in pairs)
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(partial(self._take_gradient, index))
            for index, (_, parameter) in enumerate(pairs)
        ]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Does nothing: by now every step has been taken."""

    def remove_hooks(self) -> None:
        """From now on a backward pass only computes gradients."""
        for hook in self._hooks:
            hook.remove()

    def _take_gradient(self, index: int, parameter: torch.Tensor) -> None:
        self.step_one(index)
        parameter.grad = None

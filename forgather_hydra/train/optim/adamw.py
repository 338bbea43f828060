"""Fused AdamW that does little besides its arithmetic."""

from __future__ import annotations

from inspect import unwrap
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

FUSED_DEVICES = ("cpu", "cuda", "xpu", "mps")


class Lists(NamedTuple):
    """The tensors of a parameter group, in the order in which the kernel takes them."""

    parameters: list[Tensor]
    averages: list[Tensor]
    squares: list[Tensor]
    steps: list[Tensor]


# Torch wraps it to keep its compiler out of it, and imports the compiler for that: a third of the
# time to the first step, and 70 MB.
_add_param_group = unwrap(Optimizer.add_param_group)


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW(fused=True)`, bit for bit, without collecting and sorting the same tensors
    in every step.

    State and options are torch's, except that `amsgrad`, `maximize`, `capturable` and
    `differentiable` are not there. Parameters of a group are on one device and of one type; where
    they are not, or one has no gradient, or a hook is to be called, torch takes the step.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        beta1, beta2 = betas
        super().__init__(params, lr, (beta1, beta2), eps, weight_decay, fused=True)
        self._lists: list[Lists] = []
        self._listed: Any = None  # the state that the lists are of

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        _add_param_group(self, param_group)
        self._listed = None

    def step(self, closure: Any = None) -> Any:
        if closure or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks:
            return self._hooked_step(closure)
        if self._listed is not self.state and not self._list_all():
            return super().step()
        gradients = [[p.grad for p in lists.parameters] for lists in self._lists]
        if any(gradient is None for group in gradients for gradient in group):
            return super().step()
        with torch.no_grad():
            for group, lists, grads in zip(self.param_groups, self._lists, gradients, strict=True):
                self._step_group(group, lists, grads)
        return None

    # Torch wraps the step of a class for its profiler and for hooks, unless it says that it is.
    step.hooked = True  # type: ignore[attr-defined]

    def _hooked_step(self, closure: Any) -> Any:
        step: Any = torch.optim.AdamW.step
        if not getattr(step, "hooked", False):
            step = self.profile_hook_step(step)
        return step(self, closure)

    def _step_group(self, group: dict[str, Any], lists: Lists, gradients: list[Any]) -> None:
        beta1, beta2 = group["betas"]
        torch._foreach_add_(lists.steps, 1)
        torch._fused_adamw_(
            lists.parameters,
            gradients,
            lists.averages,
            lists.squares,
            [],
            lists.steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )

    def _list_all(self) -> bool:
        """Lists all tensors, and makes the state of parameters without one; False if it cannot."""
        groups = [group["params"] for group in self.param_groups]
        if not all(len({(p.device, p.dtype) for p in group}) == 1 for group in groups):
            return False
        parameters = [p for group in groups for p in group]
        if not all(p.grad is not None and p.is_floating_point() for p in parameters):
            return False
        for parameter in parameters:
            if not self.state.get(parameter):
                self.state[parameter] = _new_state(parameter)
        self._lists = [self._list(group) for group in groups]
        self._listed = self.state
        return True

    def _list(self, parameters: list[Tensor]) -> Lists:
        states = [self.state[p] for p in parameters]
        columns = ([s[key] for s in states] for key in ("exp_avg", "exp_avg_sq", "step"))
        return Lists(parameters, *columns)


def _new_state(parameter: Tensor) -> dict[str, Tensor]:
    """What torch's fused AdamW keeps of a parameter, before its first step."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
    }

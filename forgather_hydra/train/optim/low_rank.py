"""Adam with the moments of matrices in a subspace of low rank: GaLore and APOLLO."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from forgather_hydra.limits import Amount, Count

Parameters = Iterable[Any]  # parameters, (name, parameter) pairs or groups of them


class LowRankAdam(Optimizer):
    """What GaLore and APOLLO share: weight decay, moments, and which parameters are projected.

    Matrices whose smaller side is longer than `rank` are; all others get plain AdamW. Everything is
    computed in fp32. The state is tensors and numbers only.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_one(parameter, group)

    def _step_one(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        state["step"] = state.get("step", 0) + 1
        grad_MN = parameter.grad.float()  # type: ignore[union-attr]
        projected = parameter.ndim == 2 and min(parameter.shape) > group["rank"]
        update = self._projected if projected else _adam
        direction = update(grad_MN, state, group)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(direction.to(parameter.dtype), alpha=-group["lr"])

    @abstractmethod
    def _projected(self, grad_MN: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """The direction of a step for a matrix [M, N]."""


class GaLore(LowRankAdam):
    """Adam on gradients projected to their main directions (Zhao et al. 2024,
    https://arxiv.org/abs/2403.03507).

    Args:
        rank: dimensions kept of the smaller side of a matrix.
        update_gap: steps between two singular value decompositions of the gradient.
        scale: factor of the updates of projected matrices.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        rank: Count = 128,
        update_gap: Count = 200,
        scale: Amount = 0.25,
    ) -> None:
        settings = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings | {"rank": rank, "gap": update_gap, "scale": scale})

    def _projected(self, grad_MN: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        wide = grad_MN.shape[0] <= grad_MN.shape[1]
        grad_ST = grad_MN if wide else grad_MN.T  # S <= T
        if (state["step"] - 1) % group["gap"] == 0:
            left_SS, _, _ = torch.linalg.svd(grad_ST, full_matrices=False)
            state["projection"] = left_SS[:, : group["rank"]].contiguous()
        projection_SR = state["projection"]
        direction_RT = _adam(projection_SR.T @ grad_ST, state, group)
        direction_ST = group["scale"] * (projection_SR @ direction_RT)
        return direction_ST if wide else direction_ST.T


class Apollo(LowRankAdam):
    """SGD whose gradient is scaled, channel by channel, as Adam would in a random subspace (Zhu et
    al. 2024, https://arxiv.org/abs/2412.05270).

    The random projection is made again from its seed in each step and takes no memory.

    Args:
        rank: dimensions of the subspace; with `mini`, 1 is enough.
        update_gap: steps between two random projections.
        scale: factor of the updates of projected matrices; with `mini` about sqrt(width / 4).
        mini: one scaling factor for a whole matrix (APOLLO-Mini).
        seed: of the projections.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        rank: Count = 64,
        update_gap: Count = 200,
        scale: Amount = 1.0,
        mini: bool = False,
        seed: int = 0,
    ) -> None:
        settings = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        own = {"rank": rank, "gap": update_gap, "scale": scale, "mini": mini, "seed": seed}
        super().__init__(params, settings | own)

    def _projected(self, grad_MN: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        wide = grad_MN.shape[0] <= grad_MN.shape[1]
        grad_ST = grad_MN if wide else grad_MN.T  # S <= T
        seed = group["seed"] + (state["step"] - 1) // group["gap"]
        projected_RT = _random(group["rank"], grad_ST, seed) @ grad_ST
        adapted_RT = _adam(projected_RT, state, group)
        over = None if group["mini"] else 0  # the whole matrix, or each of its T channels
        scaling = _norm(adapted_RT, over) / (_norm(projected_RT, over) + group["eps"])
        direction_ST = group["scale"] * _limited(grad_ST * scaling, state)
        return direction_ST if wide else direction_ST.T


def _adam(grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """Adam's direction, with bias correction; both moments are in `state`."""
    if "exp_avg" not in state:
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(grad), torch.zeros_like(grad)
    beta1, beta2 = group["betas"]
    state["exp_avg"].lerp_(grad, 1 - beta1)
    state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    root = (state["exp_avg_sq"] / (1 - beta2 ** state["step"])).sqrt_()
    return state["exp_avg"] / (1 - beta1 ** state["step"]) / (root + group["eps"])


def _limited(update: Tensor, state: dict[str, Any], growth: float = 1.01) -> Tensor:
    """`update`, its norm at most 1 % above that of the step before."""
    norm = torch.linalg.vector_norm(update)
    if "norm" in state:
        limit = growth * state["norm"]
        update = update * torch.clamp(limit / (norm + 1e-12), max=1.0)
        norm = torch.minimum(norm, limit)
    state["norm"] = norm
    return update


def _random(rank: int, grad_ST: Tensor, seed: int) -> Tensor:
    """Normal random numbers [R, S] that keep lengths on average."""
    generator = torch.Generator(grad_ST.device).manual_seed(seed)
    shape = (rank, grad_ST.shape[0])
    return torch.randn(shape, generator=generator, device=grad_ST.device) / math.sqrt(rank)


def _norm(matrix_RT: Tensor, over: int | None) -> Tensor:
    return torch.linalg.vector_norm(matrix_RT, dim=over)
